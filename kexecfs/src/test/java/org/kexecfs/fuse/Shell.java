package org.kexecfs.fuse;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * What a program said, and how it ended.
 *
 * @param exit its exit status
 * @param output what it wrote, errors last
 */
record Shell(int exit, String output) {
    /** As nobody, and not as a member of any other group. */
    static final List<String> NOBODY = List.of("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups");

    /** Runs a program to its end. */
    static Shell run(List<String> command) {
        try {
            Path said = Files.createTempFile("kexecfs-test", ".out");
            try {
                ProcessBuilder builder = new ProcessBuilder(command)
                        .redirectErrorStream(true)
                        .redirectInput(Path.of("/dev/null").toFile())
                        .redirectOutput(said.toFile());
                builder.environment().put("LC_ALL", "C");
                builder.environment().put("TZ", "UTC");
                Process process = builder.start();
                boolean ended = process.waitFor(30, TimeUnit.SECONDS);
                if (!ended) {
                    process.destroyForcibly();
                }
                assertTrue(ended, command + " does not end");
                return new Shell(process.exitValue(), Files.readString(said, StandardCharsets.ISO_8859_1));
            } finally {
                Files.delete(said);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Runs a bash script; its arguments are $1, $2, and so on. */
    static Shell bash(String script, Object... arguments) {
        return bash(List.of(), script, arguments);
    }

    /** Runs a bash script under another program, as one that changes the user. */
    static Shell bash(List<String> under, String script, Object... arguments) {
        java.util.ArrayList<String> command = new java.util.ArrayList<>(under);
        command.addAll(List.of("bash", "-c", script, "bash"));
        for (Object argument : arguments) {
            command.add(argument.toString());
        }
        return run(command);
    }

    /** What it wrote, if it succeeded. */
    String succeeded() {
        assertEquals(0, exit, output);
        return output.strip();
    }

    /** That it failed, and said this. */
    void failed(String with) {
        assertTrue(exit != 0, "it succeeded: " + output);
        assertTrue(output.contains(with), output);
    }
}
