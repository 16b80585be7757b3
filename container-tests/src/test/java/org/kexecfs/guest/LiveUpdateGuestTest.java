package org.kexecfs.guest;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.TestFactory;

/** kexecfs, as it is packaged, through real kexecs of a real kernel. */
@Tag("guest")
class LiveUpdateGuestTest {
    /** Debian's, which the engine's package needs. */
    private static final Path OCI_RUNTIME = Path.of("/usr/sbin/runc");

    private static GuestRoot root;
    private static Guest guest;

    @BeforeAll
    static void make() throws IOException {
        Path kernel = GuestKernel.build();
        Path contract = GuestScript.module().resolveSibling("kexecfs").resolve("target/test-classes/org/kexecfs/luo");
        Path withoutMemfd = GuestKernel.build(GuestScript.path("kernel-without-memfd.config"));
        root = GuestRoot.withKexecfs(
                kernel,
                new GuestRoot.Addition(contract, "/opt/contract/org/kexecfs/luo"),
                new GuestRoot.Addition(withoutMemfd, "/boot/bzImage-without-memfd"),
                new GuestRoot.Addition(OCI_RUNTIME, "/usr/sbin/runc"));
        guest = Guest.of(kernel, root.image()).with(Accelerator.best(kernel, root.image()));
    }

    @AfterAll
    static void delete() throws IOException {
        if (root != null) {
            root.close();
        }
    }

    @TestFactory
    Stream<DynamicTest> theDeviceKeepsTheContractThatTheEmulationKeeps() {
        return GuestReport.of(guest.run("luo-contract"));
    }

    @TestFactory
    Stream<DynamicTest> aSessionSurvivesTwoKexecs() {
        return GuestReport.of(guest.run("cycle"));
    }

    @TestFactory
    Stream<DynamicTest> sizesAndNumbersSurviveAKexec() {
        return GuestReport.of(guest.withMemoryMib(4096).run("large"));
    }

    @TestFactory
    Stream<DynamicTest> severalSessionsSurviveAKexecTogether() {
        return GuestReport.of(guest.run("sessions"));
    }

    @TestFactory
    Stream<DynamicTest> whatIsNotPreparedDoesNotComeBack() {
        return GuestReport.of(guest.run("unprepared"));
    }

    @TestFactory
    Stream<DynamicTest> whatWasLinkedAndClosedSurvivesAKexecAtAnyMoment() {
        return GuestReport.of(guest.run("link"));
    }

    @TestFactory
    Stream<DynamicTest> aPrivateSessionComesBackIfItWasPreparedAndHeld() {
        return GuestReport.of(guest.run("private"));
    }

    @TestFactory
    Stream<DynamicTest> filesOfAContainerThatIsGoneComeToOneOfAnotherBundle() {
        return GuestReport.of(guest.run("bundle"));
    }

    @TestFactory
    Stream<DynamicTest> allThatAnEntryIsSurvivesTwoKexecs() {
        return GuestReport.of(guest.run("attributes"));
    }

    @TestFactory
    Stream<DynamicTest> allWaysInAndOutWorkOnBothSidesOfAKexec() {
        return GuestReport.of(guest.run("ways"));
    }

    /** With the figures of kexecfs/doc/comparison.md; a JVM under strace takes its time. */
    @TestFactory
    Stream<DynamicTest> eachRecipeWorksWithPlainFilesAndWithIoctls() {
        return GuestReport.of(guest.within(Duration.ofMinutes(8)).run("cookbook"));
    }

    @TestFactory
    Stream<DynamicTest> aKernelThatUnderstandsNothingIsToldOf() {
        return GuestReport.of(guest.run("failed"));
    }

    @TestFactory
    Stream<DynamicTest> sessionsOfOthersAndDamagedOnesAreToldOf() {
        return GuestReport.of(guest.run("foreign"));
    }

    @TestFactory
    Stream<DynamicTest> tenThousandFilesSurviveAKexec() {
        return GuestReport.of(
                guest.withMemoryMib(2048).within(Duration.ofMinutes(8)).run("many"));
    }

    @TestFactory
    Stream<DynamicTest> whoeverElseHasTheDeviceIsWaitedForAndNamed() {
        return GuestReport.of(guest.run("device"));
    }

    @TestFactory
    Stream<DynamicTest> aKexecInTheMiddleOfAPrepareIsToldOf() {
        return GuestReport.of(guest.run("interrupted"));
    }

    @TestFactory
    Stream<DynamicTest> aKexecThatFailsAtTheFreezeLeavesEverythingAsItWas() {
        return GuestReport.of(guest.within(Duration.ofMinutes(8)).run("freeze"));
    }

    /** With a start of kexecfsd for each few steps, and of its keeper. */
    @TestFactory
    Stream<DynamicTest> aKillOfTheDaemonAtEachStepOfARestoreLosesNothing() {
        return GuestReport.of(guest.within(Duration.ofMinutes(15)).run("keeper"));
    }

    @TestFactory
    Stream<DynamicTest> aDaemonThatTheKernelKillsForWantOfMemoryComesBackWithEverything() {
        return GuestReport.of(guest.within(Duration.ofMinutes(8)).run("memory"));
    }

    /** With a start of kexecfsd for each kill. */
    @TestFactory
    Stream<DynamicTest> killsOfTheDaemonAndItsKeeperUnderLoadLoseNothing() {
        return GuestReport.of(guest.within(Duration.ofMinutes(15)).run("kills"));
    }

    /** {@code -Dkexecfs.sessions=2000} for as many. */
    @TestFactory
    Stream<DynamicTest> manySessionsOfOneDaemonSurviveAKexec() {
        String sessions = System.getProperty("kexecfs.sessions", "100");
        return GuestReport.of(guest.withMemoryMib(4096)
                .within(Duration.ofHours(1))
                .withOption("kexecfs.sessions=" + sessions)
                .run("thousands"));
    }
}
