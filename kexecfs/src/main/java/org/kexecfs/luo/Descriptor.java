package org.kexecfs.luo;

import java.io.IOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.FileId;
import org.kexecfs.posix.FileStatus;

/**
 * A descriptor of some process, as /proc shows it: of processes in our PID namespace that are ours, or, for root, of
 * all.
 *
 * @param process its pid
 * @param number the descriptor's
 */
record Descriptor(int process, int number) {
    /**
     * Which processes have which of these files open.
     *
     * @return for each file its processes, lowest pid first; none, if it is not found open
     */
    static Map<FileId, Set<Integer>> holders(Set<FileId> files) {
        Map<FileId, Set<Integer>> holders = new HashMap<>();
        files.forEach(file -> holders.put(file, new TreeSet<>()));
        for (int process : numbersIn(Path.of("/proc"))) {
            for (Descriptor descriptor : of(process)) {
                descriptor.file().map(holders::get).ifPresent(found -> found.add(process));
            }
        }
        return holders;
    }

    /** All descriptors of a process; none if it ended, or is not ours to look at. */
    static List<Descriptor> of(int process) {
        return numbersIn(Path.of("/proc", Integer.toString(process), "fd")).stream()
                .map(number -> new Descriptor(process, number))
                .toList();
    }

    private static List<Integer> numbersIn(Path directory) {
        List<Integer> numbers = new ArrayList<>();
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(directory, "[0-9]*")) {
            entries.forEach(
                    entry -> numbers.add(Integer.valueOf(entry.getFileName().toString())));
        } catch (IOException | DirectoryIteratorException e) {
            // It ended meanwhile, or is another user's: what was found until then is all there is to find.
        }
        return numbers;
    }

    /** Which file it is, if it is open still. Opens nothing, and asks no filesystem that may be waiting for us. */
    Optional<FileId> file() {
        try {
            return Optional.of(FileStatus.ofOpenFile(process, number).id());
        } catch (ErrnoException e) {
            return Optional.empty();
        }
    }

    /** A path to open the same file by, anew. */
    String path() {
        return "/proc/" + process + "/fd/" + number;
    }

    /**
     * The open file's position.
     *
     * @throws ErrnoException ENOENT it was closed
     */
    long position() {
        Path info = Path.of("/proc", Integer.toString(process), "fdinfo", Integer.toString(number));
        try {
            return Files.readAllLines(info).stream()
                    .filter(line -> line.startsWith("pos:"))
                    .mapToLong(line ->
                            Long.parseLong(line.substring("pos:".length()).strip()))
                    .findFirst()
                    .orElseThrow();
        } catch (IOException e) {
            throw new ErrnoException(Errno.ENOENT, info + " cannot be read");
        }
    }

    @Override
    public String toString() {
        return "fd " + number + " of process " + process;
    }
}
