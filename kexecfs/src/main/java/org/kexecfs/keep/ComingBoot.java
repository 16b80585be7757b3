package org.kexecfs.keep;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What systemd is on its way down to: {@code kexec.target} waits to be started until all else has stopped ({@code systemctl
 * kexec}, and {@code systemctl reboot} with a kernel loaded), and so does {@code soft-reboot.target}. It does not turn back from
 * there.
 *
 * <p>Its monitor is held while systemd is asked, so that of many who want to know at once one asks for all that came before.
 */
final class ComingBoot {
    private static final Logger log = LoggerFactory.getLogger(ComingBoot.class);

    /** There where systemd is the first process: sd_booted(3). */
    private static final Path SYSTEMD = Path.of("/run/systemd/system");

    /** How often it is asked if it does not answer. */
    private static final int QUESTIONS = 3;

    private static final String KEXEC = "kexec.target";
    private static final String SOFT_REBOOT = "soft-reboot.target";

    private final Path systemd;
    private final List<String> question;
    private long asked;
    private boolean wasAsked;
    private Coming coming = Coming.NOTHING;

    ComingBoot() {
        this(SYSTEMD, List.of("systemctl", "show", "--property=Id,Job", KEXEC, SOFT_REBOOT));
    }

    /**
     * Asked in another way.
     *
     * @param systemd a directory that is there if systemd runs
     * @param question a command that says of each of the two {@code Id=} and, if a job is to start it, {@code Job=} and its number,
     *     with an empty line in between
     */
    ComingBoot(Path systemd, List<String> question) {
        this.systemd = systemd;
        this.question = question;
    }

    /** How it is now, and not a moment before. If systemd cannot be asked it may be a kexec, which takes most care. */
    Coming what() {
        long now = System.nanoTime();
        synchronized (this) {
            boolean isAnswered = wasAsked && asked - now >= 0;
            if (coming == Coming.NOTHING && !isAnswered) {
                asked = System.nanoTime();
                wasAsked = true;
                coming = Files.isDirectory(systemd) ? ask() : Coming.NOTHING;
            }
            return coming;
        }
    }

    private Coming ask() {
        try {
            String said = "";
            // Whoever stops us may send a signal to our children, too: then that is asked again.
            for (int tried = 0; tried < QUESTIONS; tried++) {
                Process systemctl =
                        new ProcessBuilder(question).redirectErrorStream(true).start();
                said = new String(systemctl.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
                if (systemctl.waitFor() == 0) {
                    return read(said);
                }
            }
            log.warn("whether a kexec is coming systemd does not say, so one may be: {}", said);
        } catch (IOException e) {
            log.warn("whether a kexec is coming systemd cannot be asked, so one may be: {}", e.getMessage());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        return Coming.KEXEC;
    }

    private static Coming read(String said) {
        List<List<String>> units = Arrays.stream(said.split("\n\n"))
                .map(unit -> unit.lines().toList())
                .filter(unit -> unit.stream().anyMatch(line -> line.matches("Job=0*[1-9][0-9]*")))
                .toList();
        if (units.stream().anyMatch(unit -> unit.contains("Id=" + KEXEC))) {
            return Coming.KEXEC;
        }
        return units.stream().anyMatch(unit -> unit.contains("Id=" + SOFT_REBOOT))
                ? Coming.SOFT_REBOOT
                : Coming.NOTHING;
    }
}
