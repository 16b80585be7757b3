package org.kexecfs.posix;

import static org.kexecfs.posix.Libc.C;
import static org.kexecfs.posix.Syscall.check;

/** What this process is to those around it. */
public final class OwnProcess {
    public static final int SIGHUP = 1;
    public static final int SIGINT = 2;
    public static final int SIGTERM = 15;

    private static final long SIG_IGN = 1;

    private OwnProcess() {}

    /**
     * Leaves the session, the process group and the terminal that it was started in (setsid(2)): what happens to those does
     * not happen to this process.
     *
     * @throws ErrnoException EPERM if it leads a process group already
     */
    public static void leaveSession() {
        check(C::setsid, () -> "setsid");
    }

    /** Has a signal do nothing (signal(2), SIG_IGN). The JVM must leave the signal alone: {@code -Xrs}. */
    public static void ignore(int signal) {
        C.signal(signal, SIG_IGN);
    }
}
