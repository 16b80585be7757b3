package org.kexecfs.tool;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * Reads files of FUSE mounts whose servers may never answer.
 *
 * <p>Who waits for a server that has read the question cannot be killed, and a process does not end before its last thread has. So each is read by
 * a process of its own, cat(1), and one that gets no answer is left behind: nobody waits for it.
 */
final class Question {
    /** How long a server may take. */
    static final Duration PATIENCE = Duration.ofSeconds(5);

    /** A descriptor each, of the 1024 that a process usually has. */
    private static final int AT_ONCE = 200;

    private static final File NULL = new File("/dev/null");

    /** What cat(1) says at its end of ENOTCONN and ECONNABORTED, in the C locale. */
    private static final List<String> DEAD =
            List.of("Transport endpoint is not connected", "Software caused connection abort");

    private final Process process;

    private Question(Process process) {
        this.process = process;
    }

    /** What came of it. */
    sealed interface Said permits Answered, Dead, Refused, Silent {}

    /** What is in the file. */
    record Answered(String text) implements Said {}

    /** The server is gone. */
    record Dead() implements Said {}

    /** The file cannot be read, for a reason. */
    record Refused(String words) implements Said {}

    /** There was no answer in time. */
    record Silent() implements Said {}

    /** Reads files, all at once; returns after {@link #PATIENCE} at the latest, with hundreds a multiple of that. */
    static Map<Path, Said> ask(List<Path> files) {
        Map<Path, Said> said = new HashMap<>();
        for (int from = 0; from < files.size(); from += AT_ONCE) {
            List<Path> some = files.subList(from, Math.min(files.size(), from + AT_ONCE));
            List<Question> asked = some.stream().map(Question::of).toList();
            long deadline = System.nanoTime() + PATIENCE.toNanos();
            for (int i = 0; i < some.size(); i++) {
                said.put(some.get(i), asked.get(i).await(deadline - System.nanoTime()));
            }
        }
        return said;
    }

    private static Question of(Path file) {
        ProcessBuilder cat = new ProcessBuilder("cat", file.toString())
                .directory(new File("/"))
                .redirectInput(NULL)
                .redirectErrorStream(true);
        cat.environment().put("LC_ALL", "C");
        try {
            return new Question(cat.start());
        } catch (IOException e) {
            throw new UncheckedIOException("no mount can be asked", e);
        }
    }

    private Said await(long nanoseconds) {
        try {
            if (!process.waitFor(nanoseconds, TimeUnit.NANOSECONDS)) {
                process.destroyForcibly();
                return new Silent();
            }
            String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            return process.exitValue() == 0 ? new Answered(output) : failed(output.strip());
        } catch (IOException e) {
            throw new UncheckedIOException("an answer cannot be read", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return new Silent();
        }
    }

    private static Said failed(String words) {
        return DEAD.stream().anyMatch(words::endsWith)
                ? new Dead()
                : new Refused(words.startsWith("cat: ") ? words.substring("cat: ".length()) : words);
    }
}
