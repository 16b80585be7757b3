package org.kexecfs.fuse;

import java.lang.ref.Reference;
import jnr.constants.platform.linux.Errno;
import jnr.ffi.Pointer;
import jnr.ffi.Runtime;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Libc;
import org.kexecfs.posix.NativeFunction;
import org.kexecfs.posix.NativeLibrary;
import ru.serce.jnrfuse.struct.FuseContext;

/**
 * The part of libfuse 2 that jnr-fuse does not bind: a session over a channel of our own (fuse.h,
 * fuse_lowlevel.h, of libfuse 2.9).
 */
final class LibFuse {
    /** By its soname: libfuse.so belongs to the development package, and may be libfuse 3's. */
    private static final String FILE = "libfuse.so.2";

    /** As of FUSE_2.6: without a version the linker gives that of libfuse 2.1, which takes other arguments. */
    private static final String FUSE_NEW = "fuse_new@FUSE_2.6";

    private final NativeLibrary library;
    private final NativeFunction processBuf;
    private final NativeFunction getContext;

    private LibFuse(NativeLibrary library) {
        this.library = library;
        this.processBuf = library.function("fuse_session_process_buf");
        this.getContext = library.function("fuse_get_context");
    }

    Pointer fuse_chan_new(Pointer operations, int fd, long bufferSize, Pointer data) {
        return pointer(library.call("fuse_chan_new", operations, fd, bufferSize, data));
    }

    Pointer fuse_new(Pointer channel, Pointer arguments, Pointer operations, long size, Pointer data) {
        return pointer(library.call(FUSE_NEW, channel, arguments, operations, size, data));
    }

    Pointer fuse_get_session(Pointer fuse) {
        return pointer(library.call("fuse_get_session", fuse));
    }

    Pointer fuse_session_data(Pointer session) {
        return pointer(library.call("fuse_session_data", session));
    }

    void fuse_session_process_buf(Pointer session, Pointer buffer, Pointer channel) {
        processBuf.call(session.address(), buffer.address(), channel.address());
        Reference.reachabilityFence(buffer);
    }

    void fuse_destroy(Pointer fuse) {
        library.call("fuse_destroy", fuse);
    }

    void fuse_notify_poll(Pointer handle) {
        library.call("fuse_notify_poll", handle);
    }

    void fuse_pollhandle_destroy(Pointer handle) {
        library.call("fuse_pollhandle_destroy", handle);
    }

    FuseContext fuse_get_context() {
        return FuseContext.of(pointer(getContext.call()));
    }

    private static Pointer pointer(long address) {
        return address == 0 ? null : Pointer.wrap(runtime(), address);
    }

    /**
     * Loads libfuse 2.
     *
     * @throws ErrnoException ENOENT, with the packages that have it, if it is not installed
     */
    static LibFuse load() {
        return Loaded.get();
    }

    /** Whether libfuse 2 is installed: if not, {@link #load} says what to do. */
    static boolean isThere() {
        return Loaded.LIBRARY != null;
    }

    /** The runtime that this library's memory belongs to. */
    static Runtime runtime() {
        return Libc.RUNTIME;
    }

    /** Holds the library, or why there is none. */
    private static final class Loaded {
        private static final LibFuse LIBRARY = find();

        private Loaded() {}

        private static LibFuse find() {
            try {
                return new LibFuse(NativeLibrary.open(FILE));
            } catch (UnsatisfiedLinkError e) {
                return null;
            }
        }

        private static LibFuse get() {
            if (LIBRARY == null) {
                throw new ErrnoException(
                        Errno.ENOENT,
                        FILE + " cannot be loaded; install Debian's libfuse2 (libfuse2t64 from Debian 13 on)");
            }
            return LIBRARY;
        }
    }
}
