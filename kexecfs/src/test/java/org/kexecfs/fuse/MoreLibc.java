package org.kexecfs.fuse;

import jnr.ffi.LibraryLoader;
import jnr.ffi.annotations.Out;
import jnr.ffi.types.mode_t;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Libc;

/** System calls that only tests make. Public for jnr-ffi, which implements it from another class loader. */
public interface MoreLibc {
    MoreLibc C = LibraryLoader.create(MoreLibc.class).failImmediately().load("c");

    int MFD_HUGETLB = 4;

    int link(String from, String to);

    int unlink(String path);

    int rmdir(String path);

    int symlink(String target, String path);

    int mknod(String path, @mode_t int mode, long device);

    int pipe2(@Out int[] ends, int flags);

    int socketpair(int domain, int type, int protocol, @Out int[] ends);

    /** The result of a call, or its errno as an exception. */
    static int check(int result, String call) {
        if (result < 0) {
            int errno = jnr.ffi.Runtime.getRuntime(C).getLastError();
            throw new ErrnoException(ErrnoException.errno(errno), call);
        }
        return result;
    }

    /** link(2). */
    static void hardLink(java.nio.file.Path from, java.nio.file.Path to) {
        check(C.link(from.toString(), to.toString()), "link(" + from + ", " + to + ")");
    }

    /** A hugetlb memfd. */
    static int hugetlb() {
        return check(Libc.C.memfd_create("huge", MFD_HUGETLB), "memfd_create(MFD_HUGETLB)");
    }
}
