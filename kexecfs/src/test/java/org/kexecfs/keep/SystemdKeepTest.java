package org.kexecfs.keep;

import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
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
    void whatIsParkedIsInTheFdStoreOnceThatIsSettled() {
        try (Keep keep = open(10);
                Fd file = Parker.memfd("bytes")) {
            keep.park("web/1", file);
            keep.settle();
            assertEquals(
                    file.status().id(), systemd.store().get("web/1").status().id());
            assertEquals(List.of("FDSTORE=1\nFDPOLL=0\nFDNAME=web/1", "BARRIER=1"), systemd.messages());
        }
    }

    /** As it is while it waits for one who looks at a mount of ours. */
    @Test
    void whileSystemdIsBusy_parkingDoesNotWait() {
        try (Keep keep = open(10);
                Fd file = Parker.memfd("bytes")) {
            systemd.pause();
            keep.park("web/1", file);
            keep.park("web/2", file);
            systemd.goOn();
            keep.settle();
            assertEquals(Set.of("web/1", "web/2"), systemd.store().keySet());
        }
    }

    @Test
    void whoCatchesUpWaits_andKeepsNobodyFromParking() throws InterruptedException {
        try (Keep keep = open(1000);
                Fd file = Parker.memfd("bytes")) {
            for (int i = 0; i < 64; i++) {
                keep.park("web/" + i, file);
            }
            keep.settle();
            for (int i = 0; i < 64; i++) {
                keep.release("web/" + i);
            }
            await().until(() -> systemd.store().isEmpty());
            systemd.pause();
            Thread waiting = Thread.ofPlatform().start(keep::catchUp);
            assertFalse(waiting.join(Duration.ofMillis(100)));
            keep.park("db", file);
            systemd.goOn();
            assertTrue(waiting.join(Duration.ofSeconds(10)));
        }
    }

    /** It has done what it was asked for, and its answer may be what systemd waits for. */
    @Test
    void whoCannotCatchUpGoesOn() {
        try (Keep keep = open(1000);
                Fd file = Parker.memfd("bytes")) {
            for (int i = 0; i < 64; i++) {
                keep.park("web/" + i, file);
            }
            await().until(() -> systemd.store().size() == 64);
            systemd.pause();
            keep.catchUp();
            keep.park("db", file);
            systemd.goOn();
            keep.settle();
            assertEquals(65, systemd.store().size());
        }
    }

    @Test
    void theQueueIsKeptShort() {
        try (Keep keep = open(1000);
                Fd file = Parker.memfd("bytes")) {
            for (int i = 0; i < 300; i++) {
                keep.park("web/" + i, file);
                keep.catchUp();
            }
            assertTrue(systemd.messages().contains("BARRIER=1"));
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
            keep.settle();
            assertEquals(Set.of("a"), systemd.store().keySet());
            keep.release("a");
            keep.park("b", other);
            keep.settle();
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

    /** Who drops something may have a lock that systemd waits for. */
    @Test
    void whileSystemdIsBusy_droppingDoesNotWait_andWhoNeedsItsEndDoes() throws InterruptedException {
        try (Keep keep = open(10);
                Fd file = Parker.memfd("bytes")) {
            keep.park("web/luo.1", file);
            systemd.pause();
            keep.drop("web/luo.1");
            assertEquals(
                    Errno.EAGAIN,
                    assertThrows(ErrnoException.class, () -> keep.awaitDropped("web/luo.", Duration.ofMillis(1)))
                            .errno());
            Thread waiting = Thread.ofPlatform().start(() -> keep.awaitDropped("web/luo.", Duration.ofMinutes(1)));
            assertFalse(waiting.join(Duration.ofMillis(100)));
            systemd.goOn();
            assertTrue(waiting.join(Duration.ofSeconds(10)));
            assertEquals(Set.of(), systemd.store().keySet());
        }
    }

    @Test
    void whileSystemdIsBusy_whatWasNotDroppedIsNotWaitedFor() {
        try (Keep keep = open(10);
                Fd file = Parker.memfd("bytes")) {
            keep.park("web/luo.1", file);
            keep.drop("web/luo.1");
            assertTrue(keep.awaitDropped("web/luo.", Duration.ofMinutes(1)));
            keep.park("web/luo.2", file);
            systemd.pause();
            assertFalse(keep.awaitDropped("web/luo.", Duration.ofMinutes(1)));
            assertFalse(keep.awaitDropped("db/luo.", Duration.ofMinutes(1)));
            systemd.goOn();
        }
    }

    private Keep open(int most) {
        return systemd.keep(most);
    }
}
