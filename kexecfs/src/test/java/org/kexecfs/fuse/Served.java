package org.kexecfs.fuse;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.kexecfs.mount.MountOptions;
import org.kexecfs.posix.ErrnoException;

/** Another process that mounts: a program, and the handle of it that a test has. */
final class Served implements AutoCloseable {
    private final Process process;
    private final String said;

    private Served(Process process, String said) {
        this.process = process;
        this.said = said;
    }

    /** The program: {@code SESSION DIR OPTIONS}. It says "mounted", or the errno and the message. */
    public static void main(String[] args) throws InterruptedException {
        try (KexecFsMount mount = KexecFsMount.mount(args[0], Path.of(args[1]), MountOptions.parse(args[2]))) {
            System.out.println("mounted");
            mount.awaitUnmounted();
        } catch (ErrnoException e) {
            System.out.println(e.errno().name() + " " + e.getMessage());
        }
    }

    /** Starts the program under another one, and waits for its first line. */
    static Served start(List<String> under, String session, Path directory, String options) throws IOException {
        List<String> command = new ArrayList<>(under);
        command.addAll(List.of(
                ProcessHandle.current().info().command().orElseThrow(),
                "-XX:TieredStopAtLevel=1",
                "-XX:+UseSerialGC",
                "--enable-native-access=ALL-UNNAMED",
                "--sun-misc-unsafe-memory-access=allow",
                "-cp",
                System.getProperty("java.class.path"),
                Served.class.getName(),
                session,
                directory.toString(),
                options));
        Process process = new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        StringBuilder line = new StringBuilder();
        for (int c = process.getInputStream().read();
                c >= 0 && c != '\n';
                c = process.getInputStream().read()) {
            line.append((char) c);
        }
        return new Served(
                process, new String(line.toString().getBytes(StandardCharsets.ISO_8859_1), StandardCharsets.UTF_8));
    }

    /** Its first line. */
    String said() {
        return said;
    }

    long pid() {
        return process.pid();
    }

    /** SIGKILL, and waits until it is gone. */
    void kill() {
        process.destroyForcibly().onExit().orTimeout(20, TimeUnit.SECONDS).join();
    }

    @Override
    public void close() {
        kill();
    }
}
