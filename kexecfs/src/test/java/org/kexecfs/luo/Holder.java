package org.kexecfs.luo;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.kexecfs.posix.Fd;

/** Another process that uses an emulation: a program, and the handle of it that a test has. */
final class Holder implements AutoCloseable {
    private final Process process;

    private Holder(Process process) {
        this.process = process;
    }

    /** The program: {@code DIR create|retrieve|churn|kexec NAME}. It says "ready", and stays until it is killed. */
    public static void main(String[] args) throws IOException {
        EmulatedLiveUpdate luo = new EmulatedLiveUpdate(Path.of(args[0]));
        switch (args[1]) {
            case "create" -> hold(luo.createSession(args[2]));
            case "retrieve" -> luo.retrieveSession(args[2]).retrieve(1);
            case "kexec" -> System.err.println(luo.kexec());
            case "churn" -> churn(luo, args[2]);
            default -> throw new IllegalArgumentException(args[1]);
        }
        ready();
        System.in.read();
    }

    private static void ready() {
        System.out.println("ready");
        System.out.flush();
    }

    private static void hold(LiveUpdateSession session) {
        Fd memfd = Fd.memfd("held");
        memfd.pwrite(Fd.utf8("held by another"), 0);
        memfd.position(3);
        session.preserve(memfd, 1);
    }

    /** Goes through all that can be done, until it is killed in the midst of it. */
    private static void churn(EmulatedLiveUpdate luo, String name) {
        ready();
        while (true) {
            try (LiveUpdateSession outgoing = luo.createSession(name)) {
                hold(outgoing);
                luo.kexec();
                try (LiveUpdateSession incoming = luo.retrieveSession(name);
                        Fd file = incoming.retrieve(1)) {
                    incoming.finish();
                    file.truncate(0);
                }
            }
        }
    }

    /** Starts the program, and waits until it is ready. */
    static Holder start(Path directory, String... arguments) throws IOException {
        List<String> command = new ArrayList<>(Jvm.running("org.kexecfs.luo.Holder"));
        command.add(directory.toString());
        command.addAll(List.of(arguments));
        Process process = new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        InputStream said = process.getInputStream();
        String first = new String(said.readNBytes(5), StandardCharsets.UTF_8);
        Check.equal("ready", first, "what the other process says");
        return new Holder(process);
    }

    int pid() {
        return (int) process.pid();
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
