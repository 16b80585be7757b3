package org.kexecfs.fuse;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import java.nio.file.Files;
import java.nio.file.attribute.PosixFilePermissions;
import jnr.ffi.Pointer;
import org.junit.jupiter.api.Test;
import org.kexecfs.posix.Fd;

/** What the kernel may remember of a mount: the root's attributes, until its clock has ticked, and nothing else. */
class ValidityTest {
    private static final int TIMES = 30;
    private static final long ROOT = 1;
    private static final long OTHER = 2;

    private static int validAfterGetattr(long node) {
        try (Fd device = Fd.memfd("device")) {
            Pointer reply = Fd.allocate(104);
            new Validity(device).completeGetattr(node, reply);
            assertEquals(0, reply.getLong(0), "seconds");
            return reply.getInt(8);
        }
    }

    @Test
    void theRootsAttributesAreValidForTheShortestTimeThereIs() {
        assertEquals(1, validAfterGetattr(ROOT));
    }

    @Test
    void whateverElseThereIsMayBeChangedByOthers_itIsAskedForEachTime() {
        assertEquals(0, validAfterGetattr(OTHER));
    }

    @Test
    void aRootThatIsClosedIsClosedAtOnce() throws Exception {
        try (Mounted m = Mounted.with("mode=755")) {
            m.sh("echo x >f").succeeded();
            for (int i = 0; i < TIMES; i++) {
                Files.setPosixFilePermissions(m.path("."), PosixFilePermissions.fromString("rwxr-xr-x"));
                m.shAsNobody("cat f").succeeded();
                Files.setPosixFilePermissions(m.path("."), PosixFilePermissions.fromString("rwx------"));
                m.shAsNobody("cat f").failed("Permission denied");
            }
        }
    }

    @Test
    void whatIsPutIntoTheRootByAWriteIsSeenInItsTimesAtOnce() throws Exception {
        try (Mounted m = Mounted.with("");
                Fd preserve = Fd.open(m.path("kexecfs.preserve").toString(), Fd.O_WRONLY, 0)) {
            for (int i = 0; i < TIMES; i++) {
                Fd memfd = m.memfd("x");
                assertChanges(m, () -> preserve.pwrite(Fd.utf8(memfd.number() + " ram" + memfd.number()), 0));
            }
        }
    }

    private static void assertChanges(Mounted m, Runnable change) throws Exception {
        Object before = Files.getLastModifiedTime(m.path("."));
        change.run();
        assertNotEquals(before, Files.getLastModifiedTime(m.path(".")));
    }
}
