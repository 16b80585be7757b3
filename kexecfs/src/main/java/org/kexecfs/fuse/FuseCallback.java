package org.kexecfs.fuse;

import jnr.ffi.Pointer;
import org.kexecfs.posix.NativeCallback;

/**
 * The shapes of libfuse's operations (fuse.h), named after what they are given. Each returns 0 or what was
 * asked for, or a negative errno; paths are C strings.
 */
interface FuseCallback extends NativeCallback {
    /** (path, struct stat *). */
    @FunctionalInterface
    interface PathPointer extends FuseCallback {
        int call(Pointer path, Pointer argument);

        @Override
        default int call(Arguments given) {
            return call(given.pointer(0), given.pointer(1));
        }
    }

    /** (path, buffer, size). */
    @FunctionalInterface
    interface PathBuffer extends FuseCallback {
        int call(Pointer path, Pointer buffer, long size);

        @Override
        default int call(Arguments given) {
            return call(given.pointer(0), given.pointer(1), given.word(2));
        }
    }

    /** (path, mode, device). */
    @FunctionalInterface
    interface Mknod extends FuseCallback {
        int call(Pointer path, int mode, long device);

        @Override
        default int call(Arguments given) {
            return call(given.pointer(0), given.integer(1), given.word(2));
        }
    }

    /** (path, mode). */
    @FunctionalInterface
    interface PathMode extends FuseCallback {
        int call(Pointer path, int mode);

        @Override
        default int call(Arguments given) {
            return call(given.pointer(0), given.integer(1));
        }
    }

    /** (path). */
    @FunctionalInterface
    interface OnePath extends FuseCallback {
        int call(Pointer path);

        @Override
        default int call(Arguments given) {
            return call(given.pointer(0));
        }
    }

    /** (old path, new path). */
    @FunctionalInterface
    interface TwoPaths extends FuseCallback {
        int call(Pointer from, Pointer to);

        @Override
        default int call(Arguments given) {
            return call(given.pointer(0), given.pointer(1));
        }
    }

    /** (path, owner, group); -1 leaves one. */
    @FunctionalInterface
    interface Chown extends FuseCallback {
        int call(Pointer path, int uid, int gid);

        @Override
        default int call(Arguments given) {
            return call(given.pointer(0), given.integer(1), given.integer(2));
        }
    }

    /** (path, size). */
    @FunctionalInterface
    interface Truncate extends FuseCallback {
        int call(Pointer path, long size);

        @Override
        default int call(Arguments given) {
            return call(given.pointer(0), given.word(1));
        }
    }

    /** (path, buffer, size, offset, file). */
    @FunctionalInterface
    interface Transfer extends FuseCallback {
        int call(Pointer path, Pointer buffer, long size, long offset, Pointer file);

        @Override
        default int call(Arguments given) {
            return call(given.pointer(0), given.pointer(1), given.word(2), given.word(3), given.pointer(4));
        }
    }

    /** (path, datasync, file). */
    @FunctionalInterface
    interface Fsync extends FuseCallback {
        int call(Pointer path, int datasync, Pointer file);

        @Override
        default int call(Arguments given) {
            return call(given.pointer(0), given.integer(1), given.pointer(2));
        }
    }

    /** (path, name, value, size, flags). */
    @FunctionalInterface
    interface Setxattr extends FuseCallback {
        int call(Pointer path, Pointer name, Pointer value, long size, int flags);

        @Override
        default int call(Arguments given) {
            return call(given.pointer(0), given.pointer(1), given.pointer(2), given.word(3), given.integer(4));
        }
    }

    /** (path, name, value, size). */
    @FunctionalInterface
    interface Getxattr extends FuseCallback {
        int call(Pointer path, Pointer name, Pointer value, long size);

        @Override
        default int call(Arguments given) {
            return call(given.pointer(0), given.pointer(1), given.pointer(2), given.word(3));
        }
    }

    /** (path, buffer, filler, offset, file). */
    @FunctionalInterface
    interface Readdir extends FuseCallback {
        int call(Pointer path, Pointer buffer, Pointer filler, long offset, Pointer file);

        @Override
        default int call(Arguments given) {
            return call(given.pointer(0), given.pointer(1), given.pointer(2), given.word(3), given.pointer(4));
        }
    }

    /** (path, mode, file). */
    @FunctionalInterface
    interface Create extends FuseCallback {
        int call(Pointer path, int mode, Pointer file);

        @Override
        default int call(Arguments given) {
            return call(given.pointer(0), given.integer(1), given.pointer(2));
        }
    }

    /** (path, size, file). */
    @FunctionalInterface
    interface Ftruncate extends FuseCallback {
        int call(Pointer path, long size, Pointer file);

        @Override
        default int call(Arguments given) {
            return call(given.pointer(0), given.word(1), given.pointer(2));
        }
    }

    /** (path, struct stat *, file). */
    @FunctionalInterface
    interface Fgetattr extends FuseCallback {
        int call(Pointer path, Pointer status, Pointer file);

        @Override
        default int call(Arguments given) {
            return call(given.pointer(0), given.pointer(1), given.pointer(2));
        }
    }

    /** (path, request, argument, file, flags, data). */
    @FunctionalInterface
    interface Ioctl extends FuseCallback {
        int call(Pointer path, int request, Pointer argument, Pointer file, int flags, Pointer data);

        @Override
        default int call(Arguments given) {
            return call(
                    given.pointer(0),
                    given.integer(1),
                    given.pointer(2),
                    given.pointer(3),
                    given.integer(4),
                    given.pointer(5));
        }
    }

    /** (path, file, poll handle or null, unsigned *revents). */
    @FunctionalInterface
    interface Poll extends FuseCallback {
        int call(Pointer path, Pointer file, Pointer handle, Pointer revents);

        @Override
        default int call(Arguments given) {
            return call(given.pointer(0), given.pointer(1), given.pointer(2), given.pointer(3));
        }
    }

    /** (path, mode, offset, length, file). */
    @FunctionalInterface
    interface Fallocate extends FuseCallback {
        int call(Pointer path, int mode, long offset, long length, Pointer file);

        @Override
        default int call(Arguments given) {
            return call(given.pointer(0), given.integer(1), given.word(2), given.word(3), given.pointer(4));
        }
    }
}
