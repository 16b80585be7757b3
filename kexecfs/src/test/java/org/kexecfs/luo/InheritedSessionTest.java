package org.kexecfs.luo;

import static jnr.constants.platform.linux.Errno.EEXIST;
import static jnr.constants.platform.linux.Errno.EINVAL;
import static jnr.constants.platform.linux.Errno.ENODEV;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.kexecfs.luo.Check.fails;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.kexecfs.posix.Fd;

/** A session that comes as a descriptor tells which emulation it belongs to. The kernel's are in the guest's scenario {@code cookbook}. */
class InheritedSessionTest {
    @TempDir
    private Path temporary;

    private EmulatedLiveUpdate luo;

    @BeforeEach
    void makeOne() {
        luo = new EmulatedLiveUpdate(temporary.resolve("luo"));
    }

    @Test
    void whatOneHolderPreserves_anotherCarriesOver() {
        try (LiveUpdateSession created = luo.createSession("a b");
                Fd memfd = Fd.memfd("inherited")) {
            memfd.pwrite(Fd.utf8("bytes"), 0);
            try (LiveUpdateSession inherited = inherited(created)) {
                assertEquals("a b", inherited.name());
                inherited.preserve(memfd, 1);
                fails(EEXIST, () -> inherited.preserve(memfd, 1));
                fails(EINVAL, () -> inherited.retrieve(1));
            }
            luo.kexec();
        }
        try (LiveUpdateSession retrieved = luo.retrieveSession("a b");
                LiveUpdateSession inherited = inherited(retrieved);
                Fd file = inherited.retrieve(1)) {
            assertEquals(5, file.status().size());
            inherited.finish();
        }
    }

    @Test
    void afterTheKexecItIsGone() {
        try (LiveUpdateSession created = luo.createSession("one")) {
            luo.kexec();
            fails(ENODEV, () -> inherited(created));
        }
    }

    @Test
    void whatIsNoSessionIsRefused_andNothingIsMadeOfIt() throws IOException {
        Path file = Files.createDirectories(temporary.resolve("a/kernel.1/outgoing/name"))
                .resolve("session");
        Files.createFile(file);

        fails(EINVAL, () -> inherited(Fd.open(file.toString(), Fd.O_RDONLY, 0)));
        fails(EINVAL, () -> inherited(Fd.memfd("session")));
        assertEquals(1, temporary.resolve("a").toFile().list().length);
    }

    private static LiveUpdateSession inherited(LiveUpdateSession session) {
        return inherited(session.fd().dup());
    }

    private static LiveUpdateSession inherited(Fd fd) {
        return LiveUpdate.of(fd).adopt(fd);
    }
}
