package org.kexecfs.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
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
                    Stream.of(dynamicTest(
                            "nothing is left to systemd that LUO has, or cannot have",
                            () -> assertEquals(
                                    List.of(),
                                    run.console().stream()
                                            .filter(line -> line.contains("lost across kexec"))
                                            .toList()))));
        }
    }
}
