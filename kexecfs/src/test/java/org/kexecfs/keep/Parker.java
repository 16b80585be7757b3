package org.kexecfs.keep;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;

/** A daemon in a process of its own: a program, and the handle of it that a test has. */
final class Parker implements AutoCloseable {
    private final Process process;

    private Parker(Process process) {
        this.process = process;
    }

    /** Before the name of a file: the script that is to be run should this process be killed. */
    static final String RESTART = "RESTART ";

    /** In the place of a name: the keeper is stopped from then on. */
    static final String STOP = "STOP";

    /**
     * The program: {@code DIR NAME...} parks a file of each name that says its name, tells so, and stays until it is killed. A
     * byte on its standard input has it settle, and tell so.
     */
    public static void main(String[] arguments) throws IOException, InterruptedException {
        Path directory = Path.of(arguments[0]);
        try {
            ProcessKeep keep = new ProcessKeep(directory, KeeperCommand.ofThisJvm(directory));
            for (String name : List.of(arguments).subList(1, arguments.length)) {
                if (name.equals(STOP)) {
                    String pid =
                            Files.readString(directory.resolve("keeper.lock")).strip();
                    new ProcessBuilder("kill", "-STOP", pid).start().waitFor();
                } else if (name.startsWith(RESTART)) {
                    keep.restartBy(List.of("sh", "-c", name.substring(RESTART.length())));
                } else {
                    keep.park(name, memfd(name));
                }
            }
            System.out.println("parked");
            while (System.in.read() >= 0) {
                keep.settle();
                System.out.println("settled");
            }
        } catch (ErrnoException e) {
            System.out.println(e.errno().name());
        }
        System.out.flush();
        System.in.read();
    }

    static Fd memfd(String content) {
        Fd memfd = Fd.memfd("kept");
        memfd.pwrite(Fd.utf8(content), 0);
        return memfd;
    }

    static String content(Fd file) {
        byte[] bytes = new byte[(int) file.status().size()];
        file.pread(bytes, 0);
        return new String(bytes, StandardCharsets.UTF_8);
    }

    /** The command that runs a program of the tests. */
    static List<String> java(Class<?> program) {
        return List.of(
                ProcessHandle.current().info().command().orElseThrow(),
                "-XX:TieredStopAtLevel=1",
                "-XX:+UseSerialGC",
                "--enable-native-access=ALL-UNNAMED",
                "--sun-misc-unsafe-memory-access=allow",
                "-cp",
                System.getProperty("java.class.path"),
                program.getName());
    }

    /** Starts it; {@code prefix} is the command that runs it. */
    static Parker start(List<String> prefix, Path directory, String... names) throws IOException {
        List<String> command = new ArrayList<>(prefix);
        command.addAll(java(Parker.class));
        command.add(directory.toString());
        command.addAll(List.of(names));
        return new Parker(new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start());
    }

    /** What it says: {@code parked}, or the errno's name. */
    String said() throws IOException {
        return process.inputReader().readLine();
    }

    /** Has it settle, and returns what it says then: {@code settled}, or the errno's name. */
    String settles() throws IOException {
        process.getOutputStream().write('\n');
        process.getOutputStream().flush();
        return said();
    }

    /** SIGSTOP: what happens now it does not notice. */
    void stop() throws IOException, InterruptedException {
        stop(Long.toString(process.pid()));
    }

    private static void stop(String pid) throws IOException, InterruptedException {
        new ProcessBuilder("kill", "-STOP", pid).start().waitFor();
    }

    /** SIGKILL, and waits until it is gone. */
    void kill() {
        process.destroyForcibly().onExit().orTimeout(10, TimeUnit.SECONDS).join();
    }

    @Override
    public void close() {
        kill();
    }
}
