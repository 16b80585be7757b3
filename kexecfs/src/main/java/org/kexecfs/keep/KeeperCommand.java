package org.kexecfs.keep;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;

/**
 * How a {@link Keeper} is started.
 *
 * @param command the program and its arguments. Its output ends once it can be connected to
 */
record KeeperCommand(List<String> command) {
    /** As small as a JVM gets; -Xrs, for its signals are its own to ignore. */
    private static final List<String> OPTIONS = List.of(
            "-Xrs",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-XX:CompileThresholdScaling=5",
            "-XX:-UsePerfData",
            "-XX:+UnlockDiagnosticVMOptions",
            "-XX:ArchiveRelocationMode=0",
            "-Xms4m",
            "-Xmx64m",
            "-Xss256k",
            "-Xlog:disable",
            "--enable-native-access=ALL-UNNAMED",
            "--sun-misc-unsafe-memory-access=allow",
            "-Djdk.reflect.useNativeAccessorOnly=true");

    /** The system property with the JVM's option for the keeper's start-up cache. */
    private static final String CACHE = "kexecfs.keeper.aot";

    /** With the Java run time and the classes that we run on ourselves. */
    static KeeperCommand ofThisJvm(Path directory) {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(OPTIONS);
        Optional.ofNullable(System.getProperty("jffi.boot.library.path"))
                .ifPresent(path -> command.add("-Djffi.boot.library.path=" + path));
        Optional.ofNullable(System.getProperty(CACHE)).ifPresent(command::add);
        command.addAll(
                List.of("-cp", System.getProperty("java.class.path"), "org.kexecfs.keep.Keeper", directory.toString()));
        return new KeeperCommand(List.copyOf(command));
    }

    private ProcessBuilder process() {
        ProcessBuilder builder =
                new ProcessBuilder(command).redirectInput(new File("/dev/null")).redirectErrorStream(true);
        // glibc would keep a heap for each thread.
        builder.environment().put("MALLOC_ARENA_MAX", "2");
        return builder;
    }

    /**
     * Starts a keeper, and waits until it can be connected to, unless there is one by then.
     *
     * @throws ErrnoException EIO, with what it said, if it cannot be started; EPIPE if it ended without a word, as who is killed does
     */
    void start() {
        try (BufferedReader said = process().start().inputReader(StandardCharsets.UTF_8)) {
            List<String> lines = said.lines().toList();
            if (lines.isEmpty()) {
                throw new ErrnoException(Errno.EPIPE, "a keeper was started, and ended without a word");
            }
            if (!lines.equals(List.of(Keeper.READY)) && !lines.equals(List.of(Keeper.TAKEN))) {
                throw new ErrnoException(Errno.EIO, "no keeper could be started: " + String.join(" ", lines));
            }
        } catch (IOException e) {
            throw new ErrnoException(Errno.EIO, "no keeper could be started: " + e.getMessage());
        }
    }
}
