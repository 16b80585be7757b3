package org.kexecfs.fuse;

import jnr.ffi.Memory;
import jnr.ffi.Pointer;
import jnr.ffi.Runtime;
import org.kexecfs.posix.NativeCallback;

/**
 * struct fuse_operations of libfuse 2.9 (fuse.h).
 *
 * <p>jnr-fuse's struct of that name hands paths over as decoded text, in which a name that is not UTF-8 is
 * lost; here they are C strings. Members that kexecfs does not implement stay null, and libfuse answers for
 * them (ENOSYS, or what fuse.h says).
 */
final class FuseOperations {
    /** Bytes of it. */
    static final int SIZE = 45 * Long.BYTES;

    /** Operations on open files are given no path: the handle tells all, also of a file that was unlinked. */
    static final int FLAG_NULLPATH_OK = 1;

    /** libfuse need not even look for the path. */
    static final int FLAG_NOPATH = 2;

    /** utimens understands UTIME_NOW and UTIME_OMIT. */
    static final int FLAG_UTIME_OMIT_OK = 4;

    private final Pointer memory;

    /** How much of it the members so far take. */
    private int members;

    final Operation<FuseCallback.PathPointer> getattr = new Operation<>();
    final Operation<FuseCallback.PathBuffer> readlink = new Operation<>();
    final Operation<FuseCallback.PathPointer> getdir = new Operation<>();
    final Operation<FuseCallback.Mknod> mknod = new Operation<>();
    final Operation<FuseCallback.PathMode> mkdir = new Operation<>();
    final Operation<FuseCallback.OnePath> unlink = new Operation<>();
    final Operation<FuseCallback.OnePath> rmdir = new Operation<>();
    final Operation<FuseCallback.TwoPaths> symlink = new Operation<>();
    final Operation<FuseCallback.TwoPaths> rename = new Operation<>();
    final Operation<FuseCallback.TwoPaths> link = new Operation<>();
    final Operation<FuseCallback.PathMode> chmod = new Operation<>();
    final Operation<FuseCallback.Chown> chown = new Operation<>();
    final Operation<FuseCallback.Truncate> truncate = new Operation<>();
    final Operation<FuseCallback.PathPointer> utime = new Operation<>();
    final Operation<FuseCallback.PathPointer> open = new Operation<>();
    final Operation<FuseCallback.Transfer> read = new Operation<>();
    final Operation<FuseCallback.Transfer> write = new Operation<>();
    final Operation<FuseCallback.PathPointer> statfs = new Operation<>();
    final Operation<FuseCallback.PathPointer> flush = new Operation<>();
    final Operation<FuseCallback.PathPointer> release = new Operation<>();
    final Operation<FuseCallback.Fsync> fsync = new Operation<>();
    final Operation<FuseCallback.Setxattr> setxattr = new Operation<>();
    final Operation<FuseCallback.Getxattr> getxattr = new Operation<>();
    final Operation<FuseCallback.PathBuffer> listxattr = new Operation<>();
    final Operation<FuseCallback.TwoPaths> removexattr = new Operation<>();
    final Operation<FuseCallback.PathPointer> opendir = new Operation<>();
    final Operation<FuseCallback.Readdir> readdir = new Operation<>();
    final Operation<FuseCallback.PathPointer> releasedir = new Operation<>();
    final Operation<FuseCallback.Fsync> fsyncdir = new Operation<>();
    final Operation<FuseCallback.OnePath> init = new Operation<>();
    final Operation<FuseCallback.OnePath> destroy = new Operation<>();
    final Operation<FuseCallback.PathMode> access = new Operation<>();
    final Operation<FuseCallback.Create> create = new Operation<>();
    final Operation<FuseCallback.Ftruncate> ftruncate = new Operation<>();
    final Operation<FuseCallback.Fgetattr> fgetattr = new Operation<>();
    final Operation<FuseCallback.Fgetattr> lock = new Operation<>();
    final Operation<FuseCallback.PathPointer> utimens = new Operation<>();
    final Operation<FuseCallback.PathBuffer> bmap = new Operation<>();
    final Flags flags = new Flags();
    final Operation<FuseCallback.Ioctl> ioctl = new Operation<>();
    final Operation<FuseCallback.Poll> poll = new Operation<>();
    final Operation<FuseCallback.PathPointer> writeBuf = new Operation<>();
    final Operation<FuseCallback.PathPointer> readBuf = new Operation<>();
    final Operation<FuseCallback.Fsync> flock = new Operation<>();
    final Operation<FuseCallback.Fallocate> fallocate = new Operation<>();

    /** An empty struct: every operation null. */
    FuseOperations(Runtime runtime) {
        memory = Memory.allocateDirect(runtime, SIZE, true);
    }

    /** The struct, as libfuse takes it. */
    Pointer memory() {
        return memory;
    }

    private int member() {
        int offset = members;
        members += Long.BYTES;
        return offset;
    }

    /** A member: a pointer to a function. */
    final class Operation<T extends NativeCallback> {
        private final int offset = member();

        void set(T callback) {
            memory.putPointer(offset, NativeCallback.code(callback));
        }
    }

    /** Bits, in the room of a pointer. */
    final class Flags {
        private final int offset = member();

        void set(int bits) {
            memory.putInt(offset, bits);
        }
    }
}
