package org.kexecfs.keep;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Whether systemd is on its way down to a kexec: then {@code kexec.target} waits to be started until all else has stopped
 * ({@code systemctl kexec}, and {@code systemctl reboot} with a kernel loaded). It does not turn back from there.
 *
 * <p>Its monitor is held while systemd is asked, so that of many who want to know at once one asks for all that came before.
 */
final class ComingKexec {
    private static final Logger log = LoggerFactory.getLogger(ComingKexec.class);

    /** There where systemd is the first process: sd_booted(3). */
    private static final Path SYSTEMD = Path.of("/run/systemd/system");

    private final Path systemd;
    private final List<String> question;
    private long asked;
    private boolean wasAsked;
    private boolean coming;

    ComingKexec() {
        this(SYSTEMD, List.of("systemctl", "show", "--property=Job", "--value", "kexec.target"));
    }

    /**
     * Asked in another way.
     *
     * @param systemd a directory that is there if systemd runs
     * @param question a command that says the number of the job that is to start kexec.target, or 0, or nothing
     */
    ComingKexec(Path systemd, List<String> question) {
        this.systemd = systemd;
        this.question = question;
    }

    /** Whether it is so now, and not a moment before. If systemd cannot be asked it may be so: true. */
    boolean isComing() {
        long now = System.nanoTime();
        synchronized (this) {
            boolean isAnswered = wasAsked && asked - now >= 0;
            if (!coming && !isAnswered) {
                asked = System.nanoTime();
                wasAsked = true;
                coming = Files.isDirectory(systemd) && ask();
            }
            return coming;
        }
    }

    private boolean ask() {
        try {
            Process systemctl =
                    new ProcessBuilder(question).redirectErrorStream(true).start();
            String said = new String(systemctl.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
            if (systemctl.waitFor() == 0) {
                return !said.isEmpty() && !said.equals("0");
            }
            log.warn("whether a kexec is coming systemd does not say, so one may be: {}", said);
        } catch (IOException e) {
            log.warn("whether a kexec is coming systemd cannot be asked, so one may be: {}", e.getMessage());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        return true;
    }
}
