package org.kexecfs.tool;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** The packaged commands, run by a shell as a user runs them. */
final class Image {
    private static final Path HOME = Path.of(System.getProperty("kexecfs.image"));

    private final Path directory;

    /** Commands begin in {@code directory}; the servers' messages go below it. */
    Image(Path directory) {
        this.directory = directory;
    }

    /**
     * What a command came to.
     *
     * @param exit its exit code
     * @param output what it printed, on stdout and stderr
     */
    record Result(int exit, String output) {}

    /** The runtime directory of these commands, and of the daemon that they start. */
    Path runtime() {
        return directory.resolve("run");
    }

    /** Ends the daemon, and returns when it has: it unmounts what it serves. */
    void stopDaemon() throws IOException, InterruptedException {
        sh("[ ! -e run/kexecfsd.pid ] || flock -n run/kexecfsd.pid true"
                + " || { kill $(cat run/kexecfsd.pid) && flock run/kexecfsd.pid true; }");
    }

    /** Runs a shell command to its end. Servers that it leaves in the background have closed its output. */
    Result run(String command) throws IOException, InterruptedException {
        Process process = start(command);
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return new Result(process.waitFor(), output);
    }

    /** Starts a shell command. */
    Process start(String command) throws IOException {
        return builder("timeout", "120", "sh", "-c", command)
                .redirectErrorStream(true)
                .start();
    }

    /** Starts the daemon as a service manager does. What it has to say is added to {@code log}. */
    Process startDaemon(Path log) throws IOException {
        return builder(HOME + "/bin/kexecfsd")
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()))
                .start();
    }

    /** Starts a daemon that nobody starts again should it be killed, and returns when it serves. */
    void startLonelyDaemon() throws IOException, InterruptedException {
        sh(
                "mkdir -p run; mkfifo run/ready; chmod 700 run; setsid kexecfsd --ready-fd 3 3>run/ready >>run/lonely.log 2>&1 </dev/null &"
                        + " [ $(cat run/ready) = 0 ]");
    }

    private ProcessBuilder builder(String... command) {
        ProcessBuilder builder = new ProcessBuilder(command)
                .directory(directory.toFile())
                .redirectInput(ProcessBuilder.Redirect.from(new File("/dev/null")));
        builder.environment().merge("PATH", HOME + "/bin", (path, ours) -> ours + ":" + path);
        builder.environment().put("KEXECFS_RUNTIME_DIRECTORY", runtime().toString());
        return builder;
    }

    /** Runs a shell command that must succeed. */
    String sh(String command) throws IOException, InterruptedException {
        Result result = run(command);
        if (result.exit() != 0) {
            throw new AssertionError("'" + command + "' gave " + result.exit() + ":\n" + result.output());
        }
        return result.output();
    }
}
