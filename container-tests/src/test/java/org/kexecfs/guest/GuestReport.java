package org.kexecfs.guest;

import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;

/** Makes tests of a guest's report, so that the report of the tests reads as what the guest showed. */
final class GuestReport {

    private GuestReport() {}

    /** One test for each check of the guest, and one for its having run to its end. */
    static Stream<DynamicTest> of(GuestRun run) {
        System.out.printf(
                "guest scenario %s: %.1f s%n", run.scenario(), run.elapsed().toMillis() / 1000.0);
        run.notes().forEach(note -> System.out.println("    " + note));
        return Stream.concat(
                run.checks().stream().map(GuestReport::test),
                Stream.of(dynamicTest(
                        "the guest runs to its end", () -> run.failure().ifPresent(reason -> fail(reason)))));
    }

    private static DynamicTest test(Check check) {
        return dynamicTest(check.name(), () -> {
            if (!check.holds()) {
                fail(check.name() + "\n" + check.detail());
            }
        });
    }
}
