package org.kexecfs.containers;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * A command that ended, here or in a container.
 *
 * @param line what was run
 * @param exit its exit code
 * @param output what it said, errors included
 */
public record Command(String line, int exit, String output) {
    /** Runs a program on the host, to its end. */
    static Command of(String... command) {
        return of(new ProcessBuilder(command));
    }

    /** Runs a prepared program to its end, with nothing to read. */
    static Command of(ProcessBuilder program) {
        String line = String.join(" ", program.command());
        program.command().addAll(0, List.of("timeout", "--kill-after=5", "60"));
        try {
            Process process = program.redirectErrorStream(true)
                    .redirectInput(new File("/dev/null"))
                    .start();
            String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            return new Command(line, process.waitFor(), output);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while it ran: " + line, e);
        }
    }

    /** What it said, less the newline at its end; it must have succeeded. */
    public String succeed() {
        assertEquals(0, exit, this::toString);
        return output.stripTrailing();
    }

    /** It must have failed, and said this. */
    public void failWith(String words) {
        assertTrue(exit != 0 && output.contains(words), () -> "not failed with '" + words + "': " + this);
    }
}
