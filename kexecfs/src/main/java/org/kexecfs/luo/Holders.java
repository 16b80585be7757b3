package org.kexecfs.luo;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Who has a file open, as far as /proc shows it to us (proc_pid_fd(5)). */
final class Holders {
    private static final Path PROC = Path.of("/proc");
    private static final int LONGEST_COMMAND = 80;

    private Holders() {}

    /**
     * The processes that have it open, for people: {@code process 7 (command and its arguments)}, with commas.
     *
     * @param path as those who opened it see it
     * @return empty if nobody is to be seen
     */
    static String of(String path) {
        try (Stream<Path> processes = Files.list(PROC)) {
            return processes
                    .filter(process -> process.getFileName().toString().matches("[0-9]+"))
                    .filter(process -> has(process, path))
                    .map(process -> "process " + process.getFileName() + " (" + command(process) + ")")
                    .collect(Collectors.joining(", "));
        } catch (IOException e) {
            return "";
        }
    }

    /** By their links, which ask no filesystem: ours would be asked by us. */
    private static boolean has(Path process, String path) {
        try (Stream<Path> descriptors = Files.list(process.resolve("fd"))) {
            return descriptors.anyMatch(descriptor -> leadsTo(descriptor, path));
        } catch (IOException | UncheckedIOException e) {
            // It has ended, or is not ours to look at.
            return false;
        }
    }

    private static boolean leadsTo(Path descriptor, String path) {
        try {
            return Files.readSymbolicLink(descriptor).toString().equals(path);
        } catch (IOException e) {
            // It was closed.
            return false;
        }
    }

    private static String command(Path process) {
        try {
            String arguments = Files.readString(process.resolve("cmdline"), StandardCharsets.ISO_8859_1)
                    .replaceAll("[\\x00-\\x1f]+", " ")
                    .strip();
            return arguments.substring(0, Math.min(LONGEST_COMMAND, arguments.length()));
        } catch (IOException e) {
            return "it has just ended";
        }
    }
}
