package org.kexecfs.keep;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;

/** A process that systemd started with descriptors from its fd store: a program that tells what it was given. */
final class Unit {
    private Unit() {}

    /** The program. */
    public static void main(String[] arguments) {
        Keep keep = SystemdKeep.ofUnit(System.getenv()).orElseThrow();
        new TreeMap<>(keep.found()).forEach((name, file) -> System.out.println(name + "=" + Parker.content(file)));
    }

    /**
     * Runs it as systemd does.
     *
     * @param socket what NOTIFY_SOCKET says
     * @param pid what LISTEN_PID says, as the shell reads it
     * @param names of the descriptors, with colons
     * @param files one for each name
     * @return the lines that it wrote
     */
    static List<String> run(Path socket, String pid, String names, Path... files) throws IOException {
        StringBuilder script = new StringBuilder("exec");
        for (int i = 0; i < files.length; i++) {
            script.append(' ').append(3 + i).append('<').append(files[i]);
        }
        script.append("; LISTEN_PID=").append(pid).append("; export LISTEN_PID; exec \"$@\"");
        List<String> command = new ArrayList<>(List.of("sh", "-c", script.toString(), "sh"));
        command.addAll(Parker.java(Unit.class));
        ProcessBuilder builder = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT);
        builder.environment().put("NOTIFY_SOCKET", socket.toString());
        builder.environment().put("FDSTORE", "100");
        builder.environment().put("LISTEN_FDS", Integer.toString(files.length));
        builder.environment().put("LISTEN_FDNAMES", names);
        return builder.start().inputReader().lines().toList();
    }
}
