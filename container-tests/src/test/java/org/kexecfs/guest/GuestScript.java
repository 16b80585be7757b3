package org.kexecfs.guest;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** A script of {@code container-tests/guest}; what it says on stderr is shown as it comes. */
final class GuestScript {

    private final String name;

    GuestScript(String name) {
        this.name = name;
    }

    /** The module's directory: Maven's, or the one that an IDE starts tests in. */
    static Path module() {
        return Path.of(System.getProperty("basedir", "")).toAbsolutePath();
    }

    static Path path(String name) {
        return module().resolve("guest").resolve(name);
    }

    /** Runs the script and returns the last line of its stdout, or nothing if it printed none. */
    String run(List<String> arguments) {
        List<String> command = new ArrayList<>();
        command.add(path(name).toString());
        command.addAll(arguments);
        try {
            Process process = new ProcessBuilder(command)
                    .redirectError(ProcessBuilder.Redirect.INHERIT)
                    .start();
            try (var output = process.inputReader(StandardCharsets.UTF_8)) {
                String last = output.lines().reduce("", (_, line) -> line);
                int status = process.waitFor();
                if (status != 0) {
                    throw new IllegalStateException("%s ended with status %d; see what it said on stderr"
                            .formatted(String.join(" ", command), status));
                }
                return last;
            } finally {
                process.destroy();
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while " + name + " ran", e);
        }
    }
}
