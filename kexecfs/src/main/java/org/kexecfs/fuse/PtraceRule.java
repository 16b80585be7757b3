package org.kexecfs.fuse;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.FileStatus;
import org.kexecfs.posix.Namespace;
import org.kexecfs.posix.Pidfd;
import org.kexecfs.posix.ProcessStatus;

/**
 * Who may take another process's open files: whoever could ptrace-attach to it.
 *
 * <p>The kernel asks the same of a caller of pidfd_getfd(2) (kernel/ptrace.c, __ptrace_may_access with
 * PTRACE_MODE_ATTACH_REALCREDS), but would ask it of us, who may more than our callers.
 */
final class PtraceRule {
    private static final Path YAMA = Path.of("/proc/sys/kernel/yama/ptrace_scope");
    private static final int YAMA_ANYONE = 0;
    private static final int YAMA_DESCENDANTS = 1;
    private static final int YAMA_CAPABLE = 2;

    private PtraceRule() {}

    /**
     * Returns if {@code caller} may reach into {@code target}.
     *
     * @param caller the calling process
     * @param target the other one, pinned
     * @throws ErrnoException EPERM if it may not; ENOENT if the target has ended
     */
    static void check(ProcessStatus caller, Pidfd target) {
        ProcessStatus other = ProcessStatus.read(target.pid());
        boolean may = isOwn(caller, target) || mayWeSee(other) && mayAttach(caller, other, target);
        if (!target.isAlive()) {
            // What was read may have been about another process that has its number now.
            throw new ErrnoException(Errno.ENOENT, "process " + target.pid() + " has ended");
        }
        if (!may) {
            throw new ErrnoException(
                    Errno.EPERM,
                    "process " + caller.tgid() + " may not reach the open files of process " + other.tgid());
        }
    }

    /** Whether the target is the caller's own process. */
    static boolean isOwn(ProcessStatus caller, Pidfd target) {
        return caller.tgid() == target.pid();
    }

    /** What is closed even to us, who serve the mount, is closed to our callers. */
    private static boolean mayWeSee(ProcessStatus other) {
        try {
            Namespace.user(other.tgid());
            return true;
        } catch (ErrnoException e) {
            if (e.is(Errno.EACCES, Errno.EPERM)) {
                return false;
            }
            throw e;
        }
    }

    private static boolean mayAttach(ProcessStatus caller, ProcessStatus other, Pidfd target) {
        boolean capable = isCapable(caller, other);
        return (capable || isSame(caller, other, target)) && yamaLets(caller, other, capable);
    }

    private static boolean isSame(ProcessStatus caller, ProcessStatus other, Pidfd target) {
        return other.uids().stream().limit(3).allMatch(caller.uids().getFirst()::equals)
                && other.gids().stream().limit(3).allMatch(caller.gids().getFirst()::equals)
                && target.isDumpable().orElseGet(() -> isOwnersOwn(other))
                && hasAllOf(caller, other);
    }

    /** Of a process that is not dumpable the kernel shows root as its files' owner. */
    private static boolean isOwnersOwn(ProcessStatus process) {
        FileStatus status = FileStatus.of("/proc/" + process.tgid() + "/status");
        return status.uid() == process.uids().get(1);
    }

    /** Nobody gains capabilities by it (security/commoncap.c, cap_ptrace_access_check). */
    private static boolean hasAllOf(ProcessStatus caller, ProcessStatus other) {
        return (other.permitted() & ~caller.permitted()) == 0
                && Namespace.user(caller.tgid()).equals(Namespace.user(other.tgid()));
    }

    /** CAP_SYS_PTRACE in the other process's user namespace, or in one above it. */
    private static boolean isCapable(ProcessStatus caller, ProcessStatus other) {
        return (caller.effective() & ProcessStatus.CAP_SYS_PTRACE) != 0
                && Namespace.user(other.tgid()).isWithin(Namespace.user(caller.tgid()));
    }

    private static boolean yamaLets(ProcessStatus caller, ProcessStatus other, boolean capable) {
        return switch (yamaScope()) {
            case YAMA_ANYONE -> true;
            case YAMA_DESCENDANTS -> capable || isDescendant(other, caller);
            case YAMA_CAPABLE -> capable;
            default -> false;
        };
    }

    private static int yamaScope() {
        try {
            return Files.exists(YAMA) ? Integer.parseInt(Files.readString(YAMA).strip()) : YAMA_ANYONE;
        } catch (IOException e) {
            throw new ErrnoException(Errno.EPERM, YAMA + " cannot be read: " + e.getMessage());
        }
    }

    private static boolean isDescendant(ProcessStatus process, ProcessStatus ancestor) {
        for (int pid = process.parent(); pid > 0; pid = ProcessStatus.read(pid).parent()) {
            if (pid == ancestor.tgid()) {
                return true;
            }
        }
        return false;
    }
}
