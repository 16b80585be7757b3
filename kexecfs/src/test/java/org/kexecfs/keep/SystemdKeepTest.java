package org.kexecfs.keep;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import jnr.constants.platform.linux.Errno;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;

/** What is said to systemd, and heard from it. */
class SystemdKeepTest {
    @TempDir
    private Path directory;

    private Path socket;
    private FakeSystemd systemd;

    @BeforeEach
    void start() {
        socket = directory.resolve("notify");
        systemd = new FakeSystemd(socket.toString());
    }

    @AfterEach
    void stop() {
        systemd.close();
    }

    @Test
    void whatIsParkedIsInTheFdStoreWhenParkReturns() {
        try (Keep keep = open(10);
                Fd file = Parker.memfd("bytes")) {
            keep.park("web/1", file);
            assertEquals(
                    file.status().id(), systemd.store().get("web/1").status().id());
            assertEquals(List.of("FDSTORE=1\nFDPOLL=0\nFDNAME=web/1", "BARRIER=1"), systemd.messages());
        }
    }

    @Test
    void manyTakeOneBarrier() {
        try (Keep keep = open(10);
                Fd one = Parker.memfd("1");
                Fd two = Parker.memfd("2")) {
            keep.park(new TreeMap<>(Map.of("a", one, "b", two)));
            assertEquals(Set.of("a", "b"), systemd.store().keySet());
            assertEquals(3, systemd.messages().size());
        }
    }

    @Test
    void whatIsReleasedIsGoneWhenThatIsSettled() {
        try (Keep keep = open(10);
                Fd file = Parker.memfd("bytes")) {
            keep.park("a", file);
            keep.release("a");
            keep.settle();
            assertEquals(Set.of(), systemd.store().keySet());
        }
    }

    @Test
    void moreThanTheFdStoreHoldsGivesEmfile() {
        try (Keep keep = open(1);
                Fd file = Parker.memfd("bytes");
                Fd other = Parker.memfd("more")) {
            keep.park("a", file);
            ErrnoException e = assertThrows(ErrnoException.class, () -> keep.park("b", other));
            assertEquals(Errno.EMFILE, e.errno());
            assertTrue(e.getMessage().contains("FileDescriptorStoreMax=1"), e.getMessage());
            assertEquals(Set.of("a"), systemd.store().keySet());
            keep.release("a");
            keep.park("b", other);
            assertEquals(Set.of("b"), systemd.store().keySet());
        }
    }

    @Test
    void whatSystemdKeptIsFoundByItsNames() throws IOException {
        Path one = Files.writeString(directory.resolve("one"), "1");
        Path two = Files.writeString(directory.resolve("two"), "2");
        assertEquals(List.of("web/1=1", "web/2=2"), Unit.run(socket, "$$", "web/1:web/2", one, two));
    }

    @Test
    void whatIsForAnotherProcessIsLeftAlone() throws IOException {
        Path one = Files.writeString(directory.resolve("one"), "1");
        assertEquals(List.of(), Unit.run(socket, "1", "web/1", one));
    }

    @Test
    void aUnitWithoutAnFdStoreHasNoneOfThis() {
        assertEquals(Optional.empty(), SystemdKeep.ofUnit(Map.of("NOTIFY_SOCKET", socket.toString())));
        assertEquals(Optional.empty(), SystemdKeep.ofUnit(Map.of("FDSTORE", "10")));
    }

    private Keep open(int most) {
        return SystemdKeep.ofUnit(Map.of("NOTIFY_SOCKET", socket.toString(), "FDSTORE", Integer.toString(most)))
                .orElseThrow();
    }
}
