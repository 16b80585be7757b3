package org.kexecfs.fuse;

import jnr.ffi.Pointer;
import jnr.ffi.annotations.Delegate;
import jnr.ffi.types.gid_t;
import jnr.ffi.types.mode_t;
import jnr.ffi.types.off_t;
import jnr.ffi.types.size_t;
import jnr.ffi.types.u_int32_t;
import jnr.ffi.types.uid_t;

/**
 * The shapes of libfuse's operations (fuse.h), named after what they are given. Each returns 0 or what was
 * asked for, or a negative errno; paths are C strings.
 *
 * <p>Public only because jnr-ffi calls them from another class loader.
 */
public final class FuseCallback {
    private FuseCallback() {}

    /** (path, struct stat *). */
    @FunctionalInterface
    public interface PathPointer {
        @Delegate
        int call(Pointer path, Pointer argument);
    }

    /** (path, buffer, size). */
    @FunctionalInterface
    public interface PathBuffer {
        @Delegate
        int call(Pointer path, Pointer buffer, @size_t long size);
    }

    /** (path, mode, device). */
    @FunctionalInterface
    public interface Mknod {
        @Delegate
        int call(Pointer path, @mode_t int mode, long device);
    }

    /** (path, mode). */
    @FunctionalInterface
    public interface PathMode {
        @Delegate
        int call(Pointer path, @mode_t int mode);
    }

    /** (path). */
    @FunctionalInterface
    public interface OnePath {
        @Delegate
        int call(Pointer path);
    }

    /** (old path, new path). */
    @FunctionalInterface
    public interface TwoPaths {
        @Delegate
        int call(Pointer from, Pointer to);
    }

    /** (path, owner, group); -1 leaves one. */
    @FunctionalInterface
    public interface Chown {
        @Delegate
        int call(Pointer path, @uid_t int uid, @gid_t int gid);
    }

    /** (path, size). */
    @FunctionalInterface
    public interface Truncate {
        @Delegate
        int call(Pointer path, @off_t long size);
    }

    /** (path, buffer, size, offset, file). */
    @FunctionalInterface
    public interface Transfer {
        @Delegate
        int call(Pointer path, Pointer buffer, @size_t long size, @off_t long offset, Pointer file);
    }

    /** (path, datasync, file). */
    @FunctionalInterface
    public interface Fsync {
        @Delegate
        int call(Pointer path, int datasync, Pointer file);
    }

    /** (path, name, value, size, flags). */
    @FunctionalInterface
    public interface Setxattr {
        @Delegate
        int call(Pointer path, Pointer name, Pointer value, @size_t long size, int flags);
    }

    /** (path, name, value, size). */
    @FunctionalInterface
    public interface Getxattr {
        @Delegate
        int call(Pointer path, Pointer name, Pointer value, @size_t long size);
    }

    /** (path, buffer, filler, offset, file). */
    @FunctionalInterface
    public interface Readdir {
        @Delegate
        int call(Pointer path, Pointer buffer, Pointer filler, @off_t long offset, Pointer file);
    }

    /** (path, mode, file). */
    @FunctionalInterface
    public interface Create {
        @Delegate
        int call(Pointer path, @mode_t int mode, Pointer file);
    }

    /** (path, size, file). */
    @FunctionalInterface
    public interface Ftruncate {
        @Delegate
        int call(Pointer path, @off_t long size, Pointer file);
    }

    /** (path, struct stat *, file). */
    @FunctionalInterface
    public interface Fgetattr {
        @Delegate
        int call(Pointer path, Pointer status, Pointer file);
    }

    /** (path, request, argument, file, flags, data). */
    @FunctionalInterface
    public interface Ioctl {
        @Delegate
        int call(
                Pointer path,
                @u_int32_t int request,
                Pointer argument,
                Pointer file,
                @u_int32_t int flags,
                Pointer data);
    }

    /** (path, file, poll handle or null, unsigned *revents). */
    @FunctionalInterface
    public interface Poll {
        @Delegate
        int call(Pointer path, Pointer file, Pointer handle, Pointer revents);
    }

    /** (path, mode, offset, length, file). */
    @FunctionalInterface
    public interface Fallocate {
        @Delegate
        int call(Pointer path, int mode, @off_t long offset, @off_t long length, Pointer file);
    }
}
