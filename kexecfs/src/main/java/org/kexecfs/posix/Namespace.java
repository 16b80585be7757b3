package org.kexecfs.posix;

import java.util.ArrayList;
import java.util.List;
import jnr.constants.platform.linux.Errno;
import jnr.ffi.Pointer;

/**
 * A namespace of a process (namespaces(7)), told apart by its inode, with those it lies in.
 *
 * @param lineage its own identity first, then its parent's, and so on as far as we can see
 */
public record Namespace(List<FileId> lineage) {
    private static final long NS_GET_PARENT = 0xb702;
    private static final long NS_GET_TGID_FROM_PIDNS = 0x8004b707L;

    /** The user namespace of a process: ENOENT if there is no such process. */
    public static Namespace user(int pid) {
        return read(pid, "user");
    }

    /** The PID namespace of a process: ENOENT if there is no such process. */
    public static Namespace pid(int pid) {
        return read(pid, "pid");
    }

    private static Namespace read(int pid, String kind) {
        List<FileId> lineage = new ArrayList<>();
        Fd at = open(pid, kind);
        while (at != null) {
            try (Fd current = at) {
                lineage.add(current.status().id());
                at = parent(current);
            }
        }
        return new Namespace(List.copyOf(lineage));
    }

    private static Fd open(int pid, String kind) {
        return Fd.open("/proc/" + pid + "/ns/" + kind, Fd.O_RDONLY, 0);
    }

    private static Fd parent(Fd namespace) {
        try {
            return Fd.own(namespace.ioctl(NS_GET_PARENT, null, "NS_GET_PARENT"));
        } catch (ErrnoException e) {
            if (e.is(Errno.EPERM)) {
                // The parent is out of our sight, or there is none.
                return null;
            }
            throw e;
        }
    }

    /** Whether this is {@code other}. */
    public boolean is(Namespace other) {
        return lineage.getFirst().equals(other.lineage.getFirst());
    }

    /** Whether this is {@code other}, or lies in it. */
    public boolean isWithin(Namespace other) {
        return lineage.contains(other.lineage.getFirst());
    }

    /**
     * Translates a process's number.
     *
     * @param observer a process, by its number in our PID namespace
     * @param number of a process, as {@code observer}'s PID namespace counts
     * @return its number in our PID namespace
     * @throws ErrnoException ENOENT if the observer's namespace has no such process
     */
    public static int pidSeenBy(ProcessStatus observer, int number) {
        if (observer.namespacePids().size() == 1) {
            return number;
        }
        try (Fd namespace = open(observer.tgid(), "pid")) {
            return namespace.ioctl(
                    NS_GET_TGID_FROM_PIDNS, Pointer.wrap(Libc.RUNTIME, number), "NS_GET_TGID_FROM_PIDNS");
        } catch (ErrnoException e) {
            if (e.is(Errno.ESRCH)) {
                throw new ErrnoException(Errno.ENOENT, "no process " + number);
            }
            if (e.is(Errno.ENOTTY, Errno.EINVAL)) {
                // Linux before 6.11.
                return scan(observer, number);
            }
            throw e;
        }
    }

    /**
     * Whether a process has a number for an observer: for one that was found by {@link #pidSeenBy} and then pinned, whose own
     * number may have become another's in between.
     *
     * @param pid the process, in our PID namespace
     * @param observer another one, likewise
     * @param number as {@code observer}'s PID namespace counts
     */
    public static boolean isSeenAs(int pid, ProcessStatus observer, int number) {
        int depth = observer.namespacePids().size();
        return depth == 1 ? pid == number : isNumbered(pid, depth, number, pid(observer.tgid()));
    }

    private static int scan(ProcessStatus observer, int number) {
        int depth = observer.namespacePids().size();
        Namespace namespace = pid(observer.tgid());
        return ProcessHandle.allProcesses()
                .map(process -> (int) process.pid())
                .filter(pid -> isNumbered(pid, depth, number, namespace))
                .findFirst()
                .orElseThrow(() -> new ErrnoException(Errno.ENOENT, "no process " + number));
    }

    private static boolean isNumbered(int pid, int depth, int number, Namespace namespace) {
        try {
            List<Integer> numbers = ProcessStatus.read(pid).namespacePids();
            return numbers.size() >= depth && numbers.get(depth - 1) == number && pid(pid).isWithin(namespace);
        } catch (ErrnoException e) {
            // It ended meanwhile.
            return false;
        }
    }
}
