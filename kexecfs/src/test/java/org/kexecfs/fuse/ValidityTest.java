package org.kexecfs.fuse;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Files;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import jnr.ffi.Pointer;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;
import org.kexecfs.posix.Fd;

/** What the kernel may remember of a mount: directories' attributes, until its clock has ticked, and nothing else. */
class ValidityTest {
    private static final int DIRECTORY = 0040755;
    private static final int FILE = 0100644;
    private static final long ROOT = 1;
    private static final long LINK_SOURCES = 1L << 62;

    private static int validAfterGetattr(long inode, int mode) {
        Pointer reply = Fd.allocate(104);
        reply.putLong(16, inode);
        reply.putInt(76, mode);
        Validity.completeGetattr(reply);
        assertEquals(0, reply.getLong(0), "seconds");
        return reply.getInt(8);
    }

    private static int validAfterLookup(long node, long inode, int mode) {
        Pointer reply = Fd.allocate(128);
        reply.putLong(0, node);
        reply.putLong(40, inode);
        reply.putInt(100, mode);
        Validity.completeLookup(reply);
        assertEquals(0, reply.getInt(32), "the name itself");
        return reply.getInt(36);
    }

    @Test
    void aDirectorysAttributesAreValidForTheShortestTimeThereIs() {
        assertEquals(1, validAfterGetattr(ROOT, DIRECTORY));
        assertEquals(1, validAfterLookup(7, 5, DIRECTORY));
    }

    @Test
    void aFileMayBeChangedByWhoeverHasItOpen_itIsAskedForEachTime() {
        assertEquals(0, validAfterGetattr(5, FILE));
        assertEquals(0, validAfterLookup(7, 5, FILE));
    }

    @Test
    void linkSourcesAreOthersForEachCaller_theyAreAskedForEachTime() {
        assertEquals(0, validAfterGetattr(LINK_SOURCES, DIRECTORY));
        assertEquals(0, validAfterLookup(7, LINK_SOURCES + 2, DIRECTORY));
    }

    @Test
    void aNameThatIsNotThereIsAskedForEachTime() {
        assertEquals(0, validAfterLookup(0, 5, DIRECTORY));
    }

    @Test
    void aDirectoryThatIsClosedIsClosedAtOnce() throws Exception {
        try (Mounted m = Mounted.with("mode=755")) {
            m.sh("mkdir d; echo x >d/f").succeeded();
            for (int i = 0; i < 20; i++) {
                Files.setPosixFilePermissions(m.path("d"), PosixFilePermissions.fromString("rwxr-xr-x"));
                m.shAsNobody("cat d/f").succeeded();
                Files.setPosixFilePermissions(m.path("d"), PosixFilePermissions.fromString("rwx------"));
                assertEquals(
                        "shut", m.shAsNobody("cat d/f 2>/dev/null || echo shut").succeeded());
            }
        }
    }

    @Test
    void whatIsPutIntoADirectoryWithoutTheKernel_isSeenInItsTimesSoon() throws Exception {
        try (Mounted m = Mounted.with("")) {
            Fd memfd = m.memfd("x");
            FileTime before = Files.getLastModifiedTime(m.path("."));
            try (Fd file = Fd.open(m.path("kexecfs.preserve").toString(), Fd.O_WRONLY, 0)) {
                file.pwrite(Fd.utf8(memfd.number() + " ram"), 0);
            }
            assertEquals(1, Files.size(m.path("ram")));
            Awaitility.await()
                    .until(() -> !Files.getLastModifiedTime(m.path(".")).equals(before));
        }
    }
}
