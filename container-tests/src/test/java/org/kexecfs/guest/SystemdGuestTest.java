package org.kexecfs.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.TestFactory;

/** Sessions as units of systemd: kexecfsd.service as it is shipped, and {@code systemctl kexec} on a real kernel. */
@Tag("guest")
class SystemdGuestTest {
    /** Three boots of a whole system, and a dozen starts of a JVM. */
    private static final Duration PATIENCE = Duration.ofMinutes(15);

    @TestFactory
    Stream<DynamicTest> systemctlKexecWithNothingElseSaidTakesEverySessionAlong() throws IOException {
        Path kernel = GuestKernel.build();
        Accelerator accelerator = Accelerator.best(kernel);
        try (GuestRoot root = GuestRoot.withSystemd(kernel)) {
            Guest guest = Guest.of(kernel, root.image()).withMemoryMib(2048);
            GuestRun run = guest.with(accelerator).within(PATIENCE).run("systemd");
            return Stream.concat(
                    GuestReport.of(run),
                    Stream.of(nothingIsLeftToSystemdButSessions(run), theMachineGoesOffByItself(run)));
        }
    }

    /**
     * It would try to preserve what LUO has already, or cannot have, one by one, and say so on the console; as it does of a socket
     * of the journal's. Our names have a slash.
     */
    private static DynamicTest nothingIsLeftToSystemdButSessions(GuestRun run) {
        return dynamicTest(
                "nothing is left to systemd but LUO's sessions",
                () -> assertEquals(List.of(), lines(run, "name '[^']*/.*lost across kexec")));
    }

    /** With a session mounted: systemctl poweroff waits for nothing that does not come. */
    private static DynamicTest theMachineGoesOffByItself(GuestRun run) {
        return dynamicTest(
                "the machine goes off by itself",
                () -> assertEquals(1, lines(run, "reboot: Power down").size()));
    }

    private static List<String> lines(GuestRun run, String expression) {
        Pattern pattern = Pattern.compile(expression);
        return run.console().stream()
                .filter(line -> pattern.matcher(line).find())
                .toList();
    }
}
