package org.kexecfs.posix;

import static org.kexecfs.posix.Libc.C;
import static org.kexecfs.posix.Syscall.check;

import java.util.List;
import java.util.Optional;
import jnr.constants.platform.linux.Errno;
import jnr.ffi.Pointer;

/** A process held by a descriptor (pidfd_open(2)): its number cannot come to mean another process. */
public final class Pidfd implements AutoCloseable {
    private static final int SIGKILL = 9;
    private static final int SIZE_OF_PIDFD_INFO = 72;
    private static final long PIDFD_GET_INFO = 0xc0000000L | SIZE_OF_PIDFD_INFO << 16 | 0xff0b;
    private static final long PIDFD_INFO_COREDUMP = 1 << 4;
    private static final int COREDUMP_MASK = 64;
    private static final int PIDFD_COREDUMP_USER = 1 << 2;

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

    /** Ready (POLLIN) once the process has ended. Ours to close. */
    public Fd ended() {
        return fd;
    }

    /** Whether the process has ended, be it reaped or not. */
    public boolean hasEnded() {
        return !Poll.await(List.of(new Poll.Wanted(fd, Poll.POLLIN)), 0).isEmpty();
    }

    /**
     * SIGKILL (pidfd_send_signal(2)), and waits for its end. Nothing, if it has ended.
     *
     * @throws ErrnoException EPERM
     */
    public void kill() {
        try {
            check(() -> C.pidfd_send_signal(fd.number(), SIGKILL, null, 0), () -> "SIGKILL of process " + pid);
        } catch (ErrnoException e) {
            if (!e.is(Errno.ESRCH)) {
                throw e;
            }
        }
        Poll.await(List.of(new Poll.Wanted(fd, Poll.POLLIN)), Poll.FOREVER);
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
     * Whether the kernel lets others than root look into the process (PR_SET_DUMPABLE of prctl(2)): not if it gained rights,
     * or does not want it.
     *
     * @return empty if the kernel does not tell (Linux before 6.16)
     */
    public Optional<Boolean> isDumpable() {
        Pointer info = Fd.allocate(SIZE_OF_PIDFD_INFO);
        info.putLong(0, PIDFD_INFO_COREDUMP);
        try {
            fd.ioctl(PIDFD_GET_INFO, info, "PIDFD_GET_INFO");
        } catch (ErrnoException e) {
            // ESRCH: it has ended, which whoever asks looks for anyway.
            return Optional.empty();
        }
        return (info.getLong(0) & PIDFD_INFO_COREDUMP) == 0
                ? Optional.empty()
                : Optional.of((info.getInt(COREDUMP_MASK) & PIDFD_COREDUMP_USER) != 0);
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
