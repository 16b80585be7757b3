package org.kexecfs.fuse;

import jnr.ffi.LibraryLoader;
import jnr.ffi.Pointer;
import jnr.ffi.Runtime;
import jnr.ffi.annotations.Delegate;
import jnr.ffi.provider.jffi.ClosureHelper;
import jnr.ffi.types.size_t;
import ru.serce.jnrfuse.struct.FuseContext;

/**
 * The part of libfuse 2 that jnr-fuse does not bind: a session over a channel of our own (fuse.h,
 * fuse_lowlevel.h, of libfuse 2.9).
 *
 * <p>Public only because jnr-ffi implements it from another class loader.
 */
public interface LibFuse {
    /** By its soname: libfuse.so belongs to the development package, and may be libfuse 3's. */
    String FILE = "libfuse.so.2";

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

    /** fuse_new(channel, arguments, operations, size of operations, data): a pointer to the filesystem, or null. */
    interface New {
        @Delegate
        Pointer create(Pointer channel, Pointer arguments, Pointer operations, @size_t long size, Pointer data);
    }

    /** The dynamic linker, for a symbol of which the library has several versions. */
    interface Linker {
        Pointer dlopen(String file, int flags);

        Pointer dlvsym(Pointer library, String symbol, String version);
    }

    Pointer fuse_chan_new(Pointer operations, int fd, @size_t long bufferSize, Pointer data);

    Pointer fuse_get_session(Pointer fuse);

    Pointer fuse_session_data(Pointer session);

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

    /** Whether libfuse 2 is installed: if not, {@link #load} says what to do. */
    static boolean isThere() {
        return Loaded.LIBRARY != null;
    }

    /**
     * fuse_new, as of FUSE_2.6: without a version the linker gives that of libfuse 2.1, which takes other arguments.
     * Call it only after a callback was made: jnr-fuse's helper finds its class loader by that.
     */
    static New fuseNew() {
        return Versioned.NEW;
    }

    /** The runtime that this library's memory belongs to. */
    static Runtime runtime() {
        return Runtime.getRuntime(load());
    }

    /** Found once: to bind a function takes classes of its own, and longer than all else that a mount does. */
    final class Versioned {
        private static final New NEW = find();

        private Versioned() {}

        private static New find() {
            Linker linker = LibraryLoader.create(Linker.class).failImmediately().load("c");
            Pointer library = linker.dlopen(FILE, 1);
            ClosureHelper helper = ClosureHelper.getInstance();
            return helper.getNativeConveter(New.class)
                    .fromNative(linker.dlvsym(library, "fuse_new", "FUSE_2.6"), helper.getFromNativeContext());
        }
    }

    /** Holds the library, or why there is none. */
    final class Loaded {
        private static final LibFuse LIBRARY = find();

        private Loaded() {}

        private static LibFuse find() {
            try {
                return LibraryLoader.create(LibFuse.class).failImmediately().load(FILE);
            } catch (UnsatisfiedLinkError e) {
                return null;
            }
        }

        private static LibFuse get() {
            if (LIBRARY == null) {
                throw new org.kexecfs.posix.ErrnoException(
                        jnr.constants.platform.linux.Errno.ENOENT,
                        FILE + " cannot be loaded; install Debian's libfuse2 (libfuse2t64 from Debian 13 on)");
            }
            return LIBRARY;
        }
    }
}
