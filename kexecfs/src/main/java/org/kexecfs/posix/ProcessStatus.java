package org.kexecfs.posix;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.StringTokenizer;
import jnr.constants.platform.linux.Errno;

/**
 * What /proc/PID/status says of a process or thread (proc_pid_status(5)).
 *
 * @param tgid the process that the thread belongs to, in our PID namespace
 * @param parent the parent's pid, 0 if it is not in our namespace
 * @param uids real, effective, saved, filesystem
 * @param gids real, effective, saved, filesystem
 * @param groups supplementary groups
 * @param permitted capabilities it may use, a bit each
 * @param effective capabilities it uses now
 * @param namespacePids the process's pid in each PID namespace it is in, ours first
 */
public record ProcessStatus(
        int tgid,
        int parent,
        List<Integer> uids,
        List<Integer> gids,
        Set<Integer> groups,
        long permitted,
        long effective,
        List<Integer> namespacePids) {
    private static final int USUAL_SIZE = 4096;

    /** CAP_DAC_OVERRIDE's bit in a set of capabilities (capabilities(7)). */
    public static final long CAP_DAC_OVERRIDE = 1L << 1;

    /** CAP_SYS_PTRACE's bit in a set of capabilities (capabilities(7)). */
    public static final long CAP_SYS_PTRACE = 1L << 19;

    /**
     * Reads it.
     *
     * @param pid a process or thread, in our PID namespace
     * @throws ErrnoException ENOENT if there is none
     */
    public static ProcessStatus read(int pid) {
        String text = text(pid);
        return new ProcessStatus(
                Integer.parseInt(field(text, "Tgid")),
                Integer.parseInt(field(text, "PPid")),
                numbers(field(text, "Uid")),
                numbers(field(text, "Gid")),
                Set.copyOf(numbers(field(text, "Groups"))),
                Long.parseUnsignedLong(field(text, "CapPrm"), 16),
                Long.parseUnsignedLong(field(text, "CapEff"), 16),
                numbers(field(text, text.contains("\nNStgid:") ? "NStgid" : "Tgid")));
    }

    /** The signals that a thread blocks, a bit each, signal 1 the lowest. */
    static long blockedSignals(int thread) {
        return Long.parseUnsignedLong(field(text(thread), "SigBlk"), 16);
    }

    /** No line but the first has a name in it that the process chose, and in that a newline is escaped. */
    private static String field(String text, String name) {
        String before = "\n" + name + ":";
        int at = text.indexOf(before);
        if (at < 0) {
            throw new ErrnoException(Errno.ENOENT, "no " + name + " in the status of a process: it has ended");
        }
        int begin = at + before.length();
        return text.substring(begin, text.indexOf('\n', begin)).strip();
    }

    /** The file, which is as long as the list of groups makes it. Asked several times for one link(2). */
    private static String text(int pid) {
        String path = "/proc/" + pid + "/status";
        try (Fd file = Fd.open(path, Fd.O_RDONLY, 0)) {
            byte[] bytes = new byte[USUAL_SIZE];
            int size = file.pread(bytes, 0);
            while (size == bytes.length) {
                bytes = Arrays.copyOf(bytes, 2 * size);
                byte[] more = new byte[size];
                int added = file.pread(more, size);
                System.arraycopy(more, 0, bytes, size, added);
                size += added;
            }
            return new String(bytes, 0, size, StandardCharsets.ISO_8859_1);
        } catch (ErrnoException e) {
            if (e.is(Errno.ENOENT, Errno.ESRCH)) {
                throw new ErrnoException(Errno.ENOENT, "no process " + pid);
            }
            throw e;
        }
    }

    private static List<Integer> numbers(String text) {
        List<Integer> numbers = new ArrayList<>();
        for (StringTokenizer words = new StringTokenizer(text); words.hasMoreTokens(); ) {
            numbers.add(Integer.parseUnsignedInt(words.nextToken()));
        }
        return numbers;
    }
}
