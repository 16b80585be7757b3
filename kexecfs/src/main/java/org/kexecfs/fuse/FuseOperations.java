package org.kexecfs.fuse;

import jnr.ffi.BaseStruct;
import jnr.ffi.Memory;
import jnr.ffi.Runtime;
import jnr.ffi.Struct;

/**
 * struct fuse_operations of libfuse 2.9 (fuse.h).
 *
 * <p>jnr-fuse's struct of that name hands paths over as decoded text, in which a name that is not UTF-8 is
 * lost; here they are C strings. Members that kexecfs does not implement stay null, and libfuse answers for
 * them (ENOSYS, or what fuse.h says).
 *
 * <p>Public only because jnr-ffi reads it from another class loader.
 */
public final class FuseOperations extends BaseStruct {
    /** Operations on open files are given no path: the handle tells all, also of a file that was unlinked. */
    public static final int FLAG_NULLPATH_OK = 1;

    /** libfuse need not even look for the path. */
    public static final int FLAG_NOPATH = 2;

    /** utimens understands UTIME_NOW and UTIME_OMIT. */
    public static final int FLAG_UTIME_OMIT_OK = 4;

    public final Func<FuseCallback.PathPointer> getattr = func(FuseCallback.PathPointer.class);
    public final Func<FuseCallback.PathBuffer> readlink = func(FuseCallback.PathBuffer.class);
    public final Func<FuseCallback.PathPointer> getdir = func(FuseCallback.PathPointer.class);
    public final Func<FuseCallback.Mknod> mknod = func(FuseCallback.Mknod.class);
    public final Func<FuseCallback.PathMode> mkdir = func(FuseCallback.PathMode.class);
    public final Func<FuseCallback.OnePath> unlink = func(FuseCallback.OnePath.class);
    public final Func<FuseCallback.OnePath> rmdir = func(FuseCallback.OnePath.class);
    public final Func<FuseCallback.TwoPaths> symlink = func(FuseCallback.TwoPaths.class);
    public final Func<FuseCallback.TwoPaths> rename = func(FuseCallback.TwoPaths.class);
    public final Func<FuseCallback.TwoPaths> link = func(FuseCallback.TwoPaths.class);
    public final Func<FuseCallback.PathMode> chmod = func(FuseCallback.PathMode.class);
    public final Func<FuseCallback.Chown> chown = func(FuseCallback.Chown.class);
    public final Func<FuseCallback.Truncate> truncate = func(FuseCallback.Truncate.class);
    public final Func<FuseCallback.PathPointer> utime = func(FuseCallback.PathPointer.class);
    public final Func<FuseCallback.PathPointer> open = func(FuseCallback.PathPointer.class);
    public final Func<FuseCallback.Transfer> read = func(FuseCallback.Transfer.class);
    public final Func<FuseCallback.Transfer> write = func(FuseCallback.Transfer.class);
    public final Func<FuseCallback.PathPointer> statfs = func(FuseCallback.PathPointer.class);
    public final Func<FuseCallback.PathPointer> flush = func(FuseCallback.PathPointer.class);
    public final Func<FuseCallback.PathPointer> release = func(FuseCallback.PathPointer.class);
    public final Func<FuseCallback.Fsync> fsync = func(FuseCallback.Fsync.class);
    public final Func<FuseCallback.Setxattr> setxattr = func(FuseCallback.Setxattr.class);
    public final Func<FuseCallback.Getxattr> getxattr = func(FuseCallback.Getxattr.class);
    public final Func<FuseCallback.PathBuffer> listxattr = func(FuseCallback.PathBuffer.class);
    public final Func<FuseCallback.TwoPaths> removexattr = func(FuseCallback.TwoPaths.class);
    public final Func<FuseCallback.PathPointer> opendir = func(FuseCallback.PathPointer.class);
    public final Func<FuseCallback.Readdir> readdir = func(FuseCallback.Readdir.class);
    public final Func<FuseCallback.PathPointer> releasedir = func(FuseCallback.PathPointer.class);
    public final Func<FuseCallback.Fsync> fsyncdir = func(FuseCallback.Fsync.class);
    public final Func<FuseCallback.OnePath> init = func(FuseCallback.OnePath.class);
    public final Func<FuseCallback.OnePath> destroy = func(FuseCallback.OnePath.class);
    public final Func<FuseCallback.PathMode> access = func(FuseCallback.PathMode.class);
    public final Func<FuseCallback.Create> create = func(FuseCallback.Create.class);
    public final Func<FuseCallback.Ftruncate> ftruncate = func(FuseCallback.Ftruncate.class);
    public final Func<FuseCallback.Fgetattr> fgetattr = func(FuseCallback.Fgetattr.class);
    public final Func<FuseCallback.Fgetattr> lock = func(FuseCallback.Fgetattr.class);
    public final Func<FuseCallback.PathPointer> utimens = func(FuseCallback.PathPointer.class);
    public final Func<FuseCallback.PathBuffer> bmap = func(FuseCallback.PathBuffer.class);
    public final Unsigned32 flags = new Unsigned32();
    public final Func<FuseCallback.Ioctl> ioctl = func(FuseCallback.Ioctl.class);
    public final Func<FuseCallback.Poll> poll = func(FuseCallback.Poll.class);
    public final Func<FuseCallback.PathPointer> writeBuf = func(FuseCallback.PathPointer.class);
    public final Func<FuseCallback.PathPointer> readBuf = func(FuseCallback.PathPointer.class);
    public final Func<FuseCallback.Fsync> flock = func(FuseCallback.Fsync.class);
    public final Func<FuseCallback.Fallocate> fallocate = func(FuseCallback.Fallocate.class);

    /** An empty struct: every operation null. */
    public FuseOperations(Runtime runtime) {
        super(runtime);
        useMemory(Memory.allocateDirect(runtime, Struct.size(this), true));
    }
}
