package org.kexecfs.posix;

import java.nio.charset.StandardCharsets;
import java.util.Optional;
import jnr.constants.platform.linux.Errno;

/**
 * Which process, for as long as the machine runs: a pid can come again, but not with the same start.
 *
 * @param pid in our PID namespace
 * @param started clock ticks since the machine's start (proc_pid_stat(5), starttime), modulo 2^32
 */
public record ProcessId(int pid, int started) {
    private static final int LONGEST = 4096;

    /** Fields after the name: that one is the 22nd of all, and the name the second. */
    private static final int STARTED = 22 - 3;

    /** This process. */
    public static ProcessId own() {
        int pid = Libc.C.getpid();
        return of(pid).orElseThrow();
    }

    /** The process that has this pid now; it may have ended, and not have been reaped. Empty if there is none. */
    public static Optional<ProcessId> of(int pid) {
        byte[] bytes = new byte[LONGEST];
        try (Fd file = Fd.open("/proc/" + pid + "/stat", Fd.O_RDONLY, 0)) {
            String stat = new String(bytes, 0, file.pread(bytes, 0), StandardCharsets.ISO_8859_1);
            String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ");
            return Optional.of(new ProcessId(pid, (int) Long.parseLong(fields[STARTED])));
        } catch (ErrnoException e) {
            if (e.is(Errno.ENOENT, Errno.ESRCH)) {
                return Optional.empty();
            }
            throw e;
        }
    }

    /** Whether it has not ended. */
    public boolean isRunning() {
        try (Pidfd process = Pidfd.open(pid)) {
            return of(pid).equals(Optional.of(this)) && !process.hasEnded();
        } catch (ErrnoException e) {
            if (e.is(Errno.ENOENT)) {
                return false;
            }
            throw e;
        }
    }
}
