package org.kexecfs.tool;

import java.io.File;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;

/** Types commands into a shell, where all can see it. The image's own commands are on its PATH. */
final class Shell {
    private final Path directory;
    private final PrintWriter out;

    /**
     * A shell.
     *
     * @param directory where each command begins
     * @param out gets the commands and what they print
     */
    Shell(Path directory, PrintWriter out) {
        this.directory = directory;
        this.out = out;
    }

    Path directory() {
        return directory;
    }

    /**
     * Runs one command.
     *
     * @throws ToolException it failed; what it said was printed
     */
    void run(String command) {
        out.println("$ " + command);
        ProcessBuilder shell = new ProcessBuilder("sh", "-c", command)
                .directory(directory.toFile())
                .redirectErrorStream(true)
                .redirectInput(ProcessBuilder.Redirect.from(new File("/dev/null")));
        Map<String, String> environment = shell.environment();
        String home = System.getProperty("kexecfs.home");
        if (home != null) {
            environment.merge("PATH", home + "/bin", (path, ours) -> ours + ":" + path);
        }
        try {
            Process process = shell.start();
            new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8)
                    .lines()
                    .forEach(out::println);
            int exit = process.waitFor();
            if (exit != 0) {
                throw new ToolException(Exit.FAILED, "'" + command + "' failed, with exit code " + exit);
            }
        } catch (IOException e) {
            throw new ToolException(Exit.FAILED, "cannot run sh: " + e.getMessage(), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new ToolException(Exit.FAILED, "interrupted", e);
        }
    }
}
