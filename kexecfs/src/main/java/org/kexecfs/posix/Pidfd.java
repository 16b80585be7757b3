package org.kexecfs.posix;

import static org.kexecfs.posix.Libc.C;
import static org.kexecfs.posix.Syscall.check;

import jnr.constants.platform.linux.Errno;

/** A process held by a descriptor (pidfd_open(2)): its number cannot come to mean another process. */
public final class Pidfd implements AutoCloseable {
    private final Fd fd;
    private final int pid;

    private Pidfd(Fd fd, int pid) {
        this.fd = fd;
        this.pid = pid;
    }

    /** Takes over a descriptor that says which process it is. */
    static Pidfd of(Fd fd, int pid) {
        return new Pidfd(fd, pid);
    }

    /**
     * pidfd_open(2).
     *
     * @param pid a thread group's id in our PID namespace
     * @throws ErrnoException ENOENT if there is no such process
     */
    public static Pidfd open(int pid) {
        try {
            return new Pidfd(Fd.own(check(() -> C.pidfd_open(pid, 0), () -> "pidfd_open(" + pid + ")")), pid);
        } catch (ErrnoException e) {
            // EINVAL: 0, negative, or a thread that leads no group; ESRCH: gone.
            throw e.is(Errno.ESRCH, Errno.EINVAL) ? new ErrnoException(Errno.ENOENT, "no process " + pid) : e;
        }
    }

    /** Its id in our PID namespace. Still its own while {@link #isAlive()}. */
    public int pid() {
        return pid;
    }

    /** Whether the process has not been reaped: what /proc said of its pid before this call was about it. */
    public boolean isAlive() {
        try {
            check(() -> C.pidfd_send_signal(fd.number(), 0, null, 0), () -> "pidfd_send_signal");
            return true;
        } catch (ErrnoException e) {
            return e.is(Errno.EPERM);
        }
    }

    /**
     * A duplicate of the process's descriptor (pidfd_getfd(2)): the same open file.
     *
     * @param number of the descriptor in that process
     * @throws ErrnoException ENOENT if it has none of that number, or is gone; EPERM if we may not
     */
    public Fd getFd(int number) {
        try {
            return Fd.own(check(
                    () -> C.pidfd_getfd(fd.number(), number, 0),
                    () -> "pidfd_getfd(process " + pid + ", fd " + number + ")"));
        } catch (ErrnoException e) {
            throw e.is(Errno.EBADF, Errno.ESRCH)
                    ? new ErrnoException(Errno.ENOENT, "process " + pid + " has no fd " + number)
                    : e;
        }
    }

    /**
     * Takes the calling thread into namespaces of the process (setns(2)).
     *
     * @param kinds CLONE_NEW* bits
     * @throws ErrnoException EPERM without CAP_SYS_ADMIN there; ESRCH if it has ended
     */
    void enter(int kinds) {
        check(() -> C.setns(fd.number(), kinds), () -> "setns(process " + pid + ")");
    }

    @Override
    public void close() {
        fd.close();
    }
}
