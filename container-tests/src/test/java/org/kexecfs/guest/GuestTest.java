package org.kexecfs.guest;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** The machine that carries the other guest tests: its ends, good and bad, and the kernel's LUO alone. */
@Tag("guest")
class GuestTest {

    private static GuestRoot root;
    private static Guest guest;

    @BeforeAll
    static void make() throws IOException {
        Path kernel = GuestKernel.build();
        root = GuestRoot.bare(kernel);
        guest = Guest.of(kernel, root.image()).with(Accelerator.best(kernel, root.image()));
    }

    @AfterAll
    static void delete() throws IOException {
        if (root != null) {
            root.close();
        }
    }

    private static String failure(GuestRun run) {
        return run.failure().orElse("");
    }

    @Test
    void aPanicFailsWithTheEndOfTheConsole() {
        String failure = failure(guest.run("panic"));

        assertTrue(failure.contains("the kernel panicked"), failure);
        assertTrue(failure.contains("sysrq triggered crash"), failure);
    }

    @Test
    void aHangIsEndedAndFailsWithTheEndOfTheConsole() {
        GuestRun run = guest.within(Duration.ofSeconds(8)).run("hang");
        String failure = failure(run);

        assertTrue(failure.contains("it hung before the scenario was done"), failure);
        assertTrue(failure.contains("stage 1 begins"), failure);
        assertTrue(run.elapsed().toSeconds() < 12, () -> "ended after " + run.elapsed());
    }

    @Test
    void aScenarioThatIsNotThereFails() {
        assertTrue(failure(guest.run("no-such")).contains("no scenario no-such"));
    }

    @Test
    void nothingOfAMachineIsLeft() {
        guest.run("probe");

        assertFalse(ProcessHandle.current()
                .descendants()
                .anyMatch(process ->
                        process.info().command().filter(c -> c.contains("qemu")).isPresent()));
    }

    @TestFactory
    Stream<DynamicTest> theKernelKeepsWhatItIsGiven() {
        return GuestReport.of(guest.run("luo-bare"));
    }
}
