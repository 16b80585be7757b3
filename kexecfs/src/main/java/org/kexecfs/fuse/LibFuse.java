package org.kexecfs.fuse;

import jnr.ffi.LibraryLoader;
import jnr.ffi.Pointer;
import jnr.ffi.Runtime;
import jnr.ffi.annotations.Delegate;
import jnr.ffi.types.size_t;
import ru.serce.jnrfuse.struct.FuseContext;

/**
 * The part of libfuse 2 that jnr-fuse does not bind: a session over a channel of our own (fuse.h,
 * fuse_lowlevel.h, of libfuse 2.9).
 *
 * <p>Public only because jnr-ffi implements it from another class loader.
 */
public interface LibFuse {
    /** fuse_chan_ops.receive: never called, for {@link FuseChannel} reads the requests itself. */
    interface Receive {
        @Delegate
        int receive(Pointer channel, Pointer buffer, @size_t long size);
    }

    /** fuse_chan_ops.send: writes a reply or a notification to the kernel; 0 or -errno. */
    interface Send {
        @Delegate
        int send(Pointer channel, Pointer vector, @size_t long count);
    }

    /** fuse_chan_ops.destroy. */
    interface Destroy {
        @Delegate
        void destroy(Pointer channel);
    }

    Pointer fuse_chan_new(Pointer operations, int fd, @size_t long bufferSize, Pointer data);

    Pointer fuse_new(Pointer channel, Pointer arguments, Pointer operations, @size_t long size, Pointer data);

    Pointer fuse_get_session(Pointer fuse);

    void fuse_session_process_buf(Pointer session, Pointer buffer, Pointer channel);

    void fuse_destroy(Pointer fuse);

    int fuse_notify_poll(Pointer handle);

    void fuse_pollhandle_destroy(Pointer handle);

    FuseContext fuse_get_context();

    /**
     * Loads libfuse 2.
     *
     * @throws org.kexecfs.posix.ErrnoException ENOENT, with the packages that have it, if it is not installed
     */
    static LibFuse load() {
        return Loaded.get();
    }

    /** The runtime that this library's memory belongs to. */
    static Runtime runtime() {
        return Runtime.getRuntime(load());
    }

    /** Holds the library, or why there is none. */
    final class Loaded {
        private static final LibFuse LIBRARY = find();

        private Loaded() {}

        private static LibFuse find() {
            try {
                // By its soname: libfuse.so belongs to the development package, and may be libfuse 3's.
                return LibraryLoader.create(LibFuse.class).failImmediately().load("libfuse.so.2");
            } catch (UnsatisfiedLinkError e) {
                return null;
            }
        }

        private static LibFuse get() {
            if (LIBRARY == null) {
                throw new org.kexecfs.posix.ErrnoException(
                        jnr.constants.platform.linux.Errno.ENOENT,
                        "libfuse.so.2 cannot be loaded; install Debian's libfuse2 (libfuse2t64 from Debian 13 on)");
            }
            return LIBRARY;
        }
    }
}
