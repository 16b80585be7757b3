package org.kexecfs.fuse;

import jnr.constants.platform.linux.Errno;
import org.kexecfs.manifest.Name;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Libc;

/**
 * The name {@code kexecfs.sock} in the root: there while {@link ControlSocket} listens, made by its bind(2) and by nobody
 * else.
 */
final class SocketName {
    static final Name NAME = Name.of("kexecfs.sock");

    /** Whoever sees it may connect: what a connection may do is decided request by request. */
    static final int MODE = 0666;

    private volatile boolean expected;
    private volatile boolean there;

    /** bind(2) is about to be called. */
    void expect() {
        expected = true;
    }

    /**
     * mknod(2), S_IFSOCK.
     *
     * @throws ErrnoException EPERM unless it is our own bind(2)
     */
    void make(Caller caller) {
        if (!expected || caller.process().tgid() != Libc.C.getpid()) {
            throw new ErrnoException(Errno.EPERM, NAME + " is kexecfs's own");
        }
        expected = false;
        there = true;
    }

    /** Returns if it is there: ENOENT if not. */
    void requireThere() {
        if (!there) {
            throw new ErrnoException(Errno.ENOENT, "no " + NAME);
        }
    }

    boolean isThere() {
        return there;
    }

    /** Nobody listens any more. */
    void remove() {
        expected = false;
        there = false;
    }
}
