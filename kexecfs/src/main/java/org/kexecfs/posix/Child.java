package org.kexecfs.posix;

import static org.kexecfs.posix.Libc.C;
import static org.kexecfs.posix.Syscall.check;

import java.util.Collections;
import java.util.List;
import java.util.SortedSet;
import java.util.TreeSet;
import jnr.ffi.Pointer;

/**
 * A program that this process has started with a descriptor of its own, which Java cannot do (posix_spawn(3)). As with {@link
 * Exec} it finds what it would find if whoever started us had started it.
 *
 * <p>Life cycle: {@link #start}; {@link #await} once, which reaps it: until then its number is its own.
 */
public final class Child {
    private static final int POSIX_SPAWN_SETSIGDEF = 0x04;
    private static final int POSIX_SPAWN_SETSIGMASK = 0x08;
    /** More than any libc's own structs of posix_spawn(3) and sigset_t take. */
    private static final int ROOM = 1024;

    private static final int F_GETFD = 1;
    private static final int FD_CLOEXEC = 1;
    private static final int STDERR = 2;
    private static final int SIGNALLED = 128;

    private static final int P_PID = 1;
    private static final int WEXITED = 4;
    private static final int WNOWAIT = 0x1000000;

    private final int pid;
    /** Its number may be another's then. Guarded by this. */
    private boolean reaped;

    private Child(int pid) {
        this.pid = pid;
    }

    /**
     * What a program is started with.
     *
     * @param command the program, looked for in PATH, and its arguments; each byte a char (ISO 8859-1)
     * @param environment {@code NAME=VALUE}, likewise
     * @param inherited descriptors from 3 on that it shall have under the same number, if they are open
     * @param signals those that it shall not ignore although we do
     */
    public record Setting(
            List<String> command, List<String> environment, SortedSet<Integer> inherited, IgnoredSignals signals) {}

    /**
     * The descriptors from 3 on that we were started with. To be asked early: what is open and not close-on-exec, and no file
     * of the JVM itself, is taken for one.
     */
    public static SortedSet<Integer> inherited() {
        Exec.closeOwnOnExec();
        SortedSet<Integer> numbers = new TreeSet<>();
        for (int number : Exec.descriptors()) {
            int flags = C.fcntl(number, F_GETFD, 0);
            if (number > STDERR && flags >= 0 && (flags & FD_CLOEXEC) == 0) {
                numbers.add(number);
            }
        }
        return Collections.unmodifiableSortedSet(numbers);
    }

    /**
     * Starts a program with our standard descriptors, those that are {@code inherited}, one more, and no other.
     *
     * @param file the one more
     * @param number that the program shall have it under, 2 or more and none of those
     * @throws ErrnoException ENOENT if there is no such program; EACCES, ENOEXEC, E2BIG and others of execve(2)
     */
    public static Child start(Setting setting, Fd file, int number) {
        Pointer actions = Fd.allocate(ROOM);
        Pointer attributes = Fd.allocate(ROOM);
        succeed(C.posix_spawn_file_actions_init(actions), "posix_spawn_file_actions_init");
        succeed(C.posix_spawnattr_init(attributes), "posix_spawnattr_init");
        try {
            addFiles(actions, setting.inherited(), file, number);
            addSignals(attributes, setting.signals());
            Pointer argv = Exec.vector(setting.command());
            Pointer pid = Fd.allocate(4);
            succeed(
                    C.posix_spawnp(
                            pid, argv.getPointer(0), actions, attributes, argv, Exec.vector(setting.environment())),
                    "posix_spawnp(" + setting.command().getFirst() + ")");
            return new Child(pid.getInt(0));
        } finally {
            C.posix_spawn_file_actions_destroy(actions);
            C.posix_spawnattr_destroy(attributes);
        }
    }

    /** Not all of a JVM's descriptors are close-on-exec; and to close one that is not open is no error. */
    private static void addFiles(Pointer actions, SortedSet<Integer> inherited, Fd file, int number) {
        succeed(C.posix_spawn_file_actions_adddup2(actions, file.number(), number), "adddup2");
        int last = inherited.isEmpty() ? number : Math.max(number, inherited.last());
        for (int other = STDERR + 1; other <= last; other++) {
            if (other != number && !inherited.contains(other)) {
                succeed(C.posix_spawn_file_actions_addclose(actions, other), "addclose");
            }
        }
        succeed(C.posix_spawn_file_actions_addclosefrom_np(actions, last + 1), "addclosefrom_np");
    }

    private static void addSignals(Pointer attributes, IgnoredSignals signals) {
        succeed(C.posix_spawnattr_setsigmask(attributes, Exec.initialMask()), "setsigmask");
        succeed(C.posix_spawnattr_setsigdefault(attributes, signals.ignoredByUsOnly()), "setsigdefault");
        succeed(
                C.posix_spawnattr_setflags(attributes, (short) (POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK)),
                "setflags");
    }

    /** These calls return an errno. */
    private static void succeed(int errno, String call) {
        if (errno != 0) {
            throw ErrnoException.of(errno, call);
        }
    }

    /**
     * Waits for its end (waitpid(2)).
     *
     * @return its exit code, or 128 and the number of the signal that ended it, as shells tell it
     */
    public int await() {
        Pointer info = Fd.allocate(ROOM);
        check(() -> C.waitid(P_PID, pid, info, WEXITED | WNOWAIT), () -> "waitid(" + pid + ")");
        Pointer status = Fd.allocate(4);
        synchronized (this) {
            reaped = true;
            check(() -> C.waitpid(pid, status, 0), () -> "waitpid(" + pid + ")");
        }
        int signal = status.getInt(0) & 0x7f;
        return signal == 0 ? status.getInt(0) >> 8 & 0xff : SIGNALLED + signal;
    }

    /** SIGTERM, if it has not ended. From any thread. */
    public synchronized void terminate() {
        if (!reaped) {
            check(() -> C.kill(pid, IgnoredSignals.SIGTERM), () -> "kill(" + pid + ")");
        }
    }
}
