package org.kexecfs.posix;

import static org.kexecfs.posix.Libc.C;
import static org.kexecfs.posix.Syscall.check;

/** What this process is to those around it. */
public final class OwnProcess {
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
}
