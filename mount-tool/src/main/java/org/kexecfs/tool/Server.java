package org.kexecfs.tool;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A process that serves mounts, looked at without asking it anything (proc(5)).
 *
 * @param pid in our PID namespace
 */
record Server(int pid) {
    private static final Path PROC = Path.of("/proc");
    private static final String CONNECTION = "fuse_connection:\t";

    /**
     * Who serves which mount, as far as we may see: who has /dev/fuse open for it. Empty where the kernel does not tell (Linux before
     * 6.16).
     *
     * @return by the filesystem's number, major in the upper 32 bits, minor in the lower
     */
    static Map<Long, Server> byDevice() {
        Map<Long, Server> servers = new HashMap<>();
        for (Path process : list(PROC, "[0-9]*")) {
            Server server = new Server(Integer.parseInt(process.getFileName().toString()));
            for (Path file : list(process.resolve("fdinfo"), "*")) {
                text(file)
                        .lines()
                        .filter(line -> line.startsWith(CONNECTION))
                        .forEach(
                                line -> servers.putIfAbsent(Long.valueOf(line.substring(CONNECTION.length())), server));
            }
        }
        return servers;
    }

    /** What has ended meanwhile, or is not ours to look at, has nothing in it. */
    private static List<Path> list(Path directory, String names) {
        List<Path> all = new ArrayList<>();
        try (DirectoryStream<Path> files = Files.newDirectoryStream(directory, names)) {
            files.forEach(all::add);
        } catch (IOException | DirectoryIteratorException e) {
            return List.of();
        }
        return all;
    }

    /** Whether it was stopped, by a signal or by a debugger. */
    boolean isStopped() {
        String stat = text(PROC.resolve(pid + "/stat"));
        // The name before may have any character in it.
        int state = stat.lastIndexOf(')') + 2;
        return state < stat.length() && "Tt".indexOf(stat.charAt(state)) >= 0;
    }

    /** Which process nobody hears from, why, and what can be done about it. */
    String silence() {
        return isStopped()
                ? "process " + pid + ", which is stopped; 'kill -CONT " + pid + "' lets it go on"
                : "process " + pid + ", which is at work, or hangs; if it never answers 'kill -KILL " + pid
                        + "' frees who waits: a kexecfsd is started again and loses nothing, a 'kexecfs mount -f' ends its session";
    }

    private static String text(Path file) {
        try {
            return Files.readString(file, StandardCharsets.ISO_8859_1);
        } catch (IOException e) {
            return "";
        }
    }
}
