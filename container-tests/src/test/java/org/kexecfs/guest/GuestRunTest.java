package org.kexecfs.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;

class GuestRunTest {

    private static GuestRun run(String... console) {
        return new GuestRun("cycle", List.of(console), Duration.ofSeconds(7), "QEMU ended with status 0");
    }

    private static String failure(GuestRun run) {
        return run.failure().orElse("");
    }

    @Test
    void readsChecksWithTheirDetails() {
        GuestRun run = run("Booting", "ok - a", "not ok - b", "    wanted: 1", "    is:     2", "# note", "ok - c");

        assertEquals(
                List.of(
                        new Check(true, "a", ""),
                        new Check(false, "b", "wanted: 1\nis:     2"),
                        new Check(true, "c", "")),
                run.checks());
        assertEquals(List.of("note"), run.notes());
    }

    @Test
    void aRunThatIsDoneHasNoFailureEvenIfChecksFailed() {
        assertEquals("", failure(run("ok - a", "not ok - b", "kexecfs-guest: cycle done, 2 checks")));
    }

    @Test
    void aRunThatIsNotDoneFailsWithTheEndOfTheConsole() {
        String failure = failure(run("ok - a", "not ok - b", "last words"));

        assertTrue(failure.contains("QEMU ended with status 0 before the scenario was done"), failure);
        assertTrue(failure.contains("failed before: [b]"), failure);
        assertTrue(failure.endsWith("last words"), failure);
    }

    @Test
    void aPanicIsNamed() {
        String failure = failure(run("[    1.0] Kernel panic - not syncing: no init found"));

        assertTrue(failure.contains("the kernel panicked"), failure);
    }

    @Test
    void aLostCheckIsNoticed() {
        String failure = failure(run("[    1.0] noiseok - a", "kexecfs-guest: cycle done, 1 checks"));

        assertTrue(failure.contains("it made 1 checks, and 0 can be read"), failure);
    }

    @Test
    void onlyTheEndOfALongConsoleIsShown() {
        String[] console = java.util.stream.IntStream.range(0, 100)
                .mapToObj(i -> "line" + i)
                .toArray(String[]::new);

        String failure = failure(run(console));

        assertTrue(failure.contains("line40\n") && !failure.contains("line39\n"), failure);
    }
}
