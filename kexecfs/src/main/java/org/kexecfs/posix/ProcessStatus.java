package org.kexecfs.posix;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
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
        Map<String, String> fields = fields(pid);
        List<Integer> pids = numbers(fields.getOrDefault("NStgid", fields.get("Tgid")));
        return new ProcessStatus(
                Integer.parseInt(fields.get("Tgid")),
                Integer.parseInt(fields.get("PPid")),
                numbers(fields.get("Uid")),
                numbers(fields.get("Gid")),
                Set.copyOf(numbers(fields.get("Groups"))),
                Long.parseUnsignedLong(fields.get("CapPrm"), 16),
                Long.parseUnsignedLong(fields.get("CapEff"), 16),
                pids);
    }

    /** The signals that a thread blocks, a bit each, signal 1 the lowest. */
    static long blockedSignals(int thread) {
        return Long.parseUnsignedLong(fields(thread).get("SigBlk"), 16);
    }

    private static Map<String, String> fields(int pid) {
        Map<String, String> fields = new HashMap<>();
        for (String line : lines(Path.of("/proc", Integer.toString(pid), "status"))) {
            int colon = line.indexOf(':');
            fields.put(line.substring(0, colon), line.substring(colon + 1).strip());
        }
        return fields;
    }

    private static List<String> lines(Path file) {
        try {
            return Files.readAllLines(file, java.nio.charset.StandardCharsets.ISO_8859_1);
        } catch (NoSuchFileException e) {
            throw new ErrnoException(Errno.ENOENT, "no process " + file.getName(1));
        } catch (IOException e) {
            // ESRCH, which Java does not tell apart: it ended while it was read.
            throw new ErrnoException(Errno.ENOENT, "process " + file.getName(1) + " ended");
        }
    }

    private static List<Integer> numbers(String text) {
        return Arrays.stream(text.split("\\s+"))
                .filter(s -> !s.isEmpty())
                .map(Integer::parseUnsignedInt)
                .collect(Collectors.toList());
    }
}
