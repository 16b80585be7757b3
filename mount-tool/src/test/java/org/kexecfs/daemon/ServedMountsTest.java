package org.kexecfs.daemon;

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
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.kexecfs.keep.Coming;
import org.kexecfs.keep.Keep;
import org.kexecfs.luo.EmulatedLiveUpdate;
import org.kexecfs.mount.MountTable;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.Mounts;

/** What becomes of mounts under a service manager that keeps what they hold. Needs root and /dev/fuse. */
class ServedMountsTest {
    @TempDir
    private Path work;

    private final Store store = new Store();
    private ServedMounts mounts;

    @BeforeEach
    void start() {
        mounts = new ServedMounts(store, new OwnMounts(work.resolve("own")), () -> {});
    }

    /** As systemd's fd store, and with systemd on the way to a kexec if the test wants it. */
    private static final class Store implements Keep {
        private final Map<String, Fd> held = new ConcurrentHashMap<>();
        private volatile Coming coming = Coming.NOTHING;

        /** What it was told to release while it did nothing, and the wait for that. */
        private final Queue<String> released = new ConcurrentLinkedQueue<>();

        private final Semaphore turn = new Semaphore(1);

        @Override
        public Map<String, Fd> found() {
            return Map.of();
        }

        @Override
        public void park(Map<String, Fd> files) {
            files.forEach((name, file) -> held.put(name, file.dup()));
        }

        @Override
        public void release(String name) {
            released.add(name);
            if (turn.tryAcquire()) {
                goOn();
            }
        }

        @Override
        public void drop(String name) {
            release(name);
        }

        @Override
        public boolean awaitDropped(String prefix, Duration patience) {
            boolean waits = released.stream().anyMatch(name -> name.startsWith(prefix));
            settle();
            return waits;
        }

        /** Closes nothing, until it {@link #goOn goes on}. */
        private void pause() {
            turn.acquireUninterruptibly();
        }

        private void goOn() {
            for (String name = released.poll(); name != null; name = released.poll()) {
                Optional.ofNullable(held.remove(name)).ifPresent(Fd::close);
            }
            turn.release();
        }

        @Override
        public boolean outlivesStop() {
            return true;
        }

        @Override
        public Coming coming() {
            return coming;
        }

        @Override
        public void settle() {
            turn.acquireUninterruptibly();
            goOn();
        }

        @Override
        public void close() {
            held.values().forEach(Fd::close);
        }
    }

    @AfterEach
    void unmountAndForget() {
        MountTable.read().stream()
                .filter(mount -> mount.directory().startsWith(work))
                .forEach(mount -> Mounts.detach(mount.directory()));
        await().until(() -> mounts.count() == 0);
        store.close();
    }

    private Path mount(String session) throws IOException {
        Path directory = Files.createDirectory(work.resolve(session));
        mounts.mount(new Request.Mount(session, directory, work, "emulate=luo"));
        Files.writeString(directory.resolve("name"), session);
        return directory;
    }

    /** Sessions that the next kernel gets. */
    private List<String> handedOver() {
        return new EmulatedLiveUpdate(work.resolve("luo")).kexec().sessions();
    }

    private void unmount(Path directory) {
        Mounts.unmount(directory);
        await().until(() -> MountTable.at(directory).isEmpty() && mounts.count() == 0);
    }

    @Test
    void whatIsUnmounted_endsAndIsNotKept() throws IOException {
        unmount(mount("web"));
        assertEquals(Map.of(), store.held);
        assertEquals(List.of(), handedOver());
    }

    @Test
    void withAKexecComing_whatIsUnmountedIsHandedOver() throws IOException {
        Path directory = mount("web");
        store.coming = Coming.KEXEC;
        unmount(directory);
        assertEquals(List.of("web"), handedOver());
    }

    @Test
    void withAKexecComing_whatIsMountedAtTheEndIsHandedOver() throws IOException {
        Path directory = mount("web");
        mount("db");
        store.coming = Coming.KEXEC;
        mounts.closeAll();
        assertThrows(IOException.class, () -> Files.readString(directory.resolve("name")));
        // LUO would not take them.
        assertEquals(
                List.of(),
                store.held.keySet().stream()
                        .filter(name -> name.endsWith("/mount") || name.contains("/anchor."))
                        .toList());
        assertEquals(List.of("db", "web"), handedOver().stream().sorted().toList());
    }

    @Test
    void withASoftRebootComing_whatIsUnmountedIsKept_butNotWhereItWas() throws IOException {
        Path directory = mount("web");
        Files.writeString(directory.resolve("kexecfs.prepare"), "1");
        Set<String> before = Set.copyOf(store.held.keySet());
        store.coming = Coming.SOFT_REBOOT;
        unmount(directory);
        String shelf = shelf();
        assertEquals(
                before.stream()
                        .filter(name -> !name.equals(shelf + "/mount") && !name.startsWith(shelf + "/anchor."))
                        .collect(Collectors.toSet()),
                store.held.keySet());
        assertEquals(List.of("web"), handedOver());
    }

    @Test
    void withASoftRebootComing_whatIsMountedAtTheEndStaysAsItIs() throws IOException {
        Path directory = mount("web");
        store.coming = Coming.SOFT_REBOOT;
        mounts.closeAll();
        assertEquals("web", Files.readString(directory.resolve("name")));
        assertTrue(store.held.containsKey(shelf() + "/mount"), store.held::toString);
    }

    @Test
    void atTheEnd_whatIsMountedStaysAsItIs() throws IOException {
        Path directory = mount("web");
        mounts.closeAll();
        assertEquals("web", Files.readString(directory.resolve("name")));
        assertTrue(store.held.containsKey(shelf() + "/mount"), store.held::toString);
    }

    @Test
    void atTheEnd_whatWasJustUnmountedIsNotKept() throws IOException {
        Mounts.unmount(mount("web"));
        mounts.closeAll();
        assertEquals(Map.of(), store.held);
    }

    /** Its filesystem ends, and its name in LUO is free, only when systemd has closed what it has. */
    @Test
    void unmountedWhileSystemdIsSlow_whoMountsTheSessionNextWaits() throws Exception {
        Path directory = mount("web");
        store.pause();
        Mounts.unmount(directory);
        CompletableFuture<Void> next = CompletableFuture.runAsync(
                () -> mounts.mount(new Request.Mount("web", directory, work, "emulate=luo")),
                task -> Thread.ofPlatform().start(task));
        assertThrows(TimeoutException.class, () -> next.get(3, TimeUnit.SECONDS));
        store.goOn();
        next.get(10, TimeUnit.SECONDS);
        assertEquals(
                "normal", Files.readString(directory.resolve("kexecfs.state")).strip());
        assertTrue(Files.notExists(directory.resolve("name")));
        assertEquals(1, mounts.count());
    }

    @Test
    void atTheEndWhileSystemdIsSlow_whatWasJustUnmountedIsNotKept() throws Exception {
        Path directory = mount("web");
        store.pause();
        Mounts.unmount(directory);
        Thread closing = Thread.ofPlatform().start(mounts::closeAll);
        assertFalse(closing.join(Duration.ofMillis(200)));
        store.goOn();
        assertTrue(closing.join(Duration.ofSeconds(10)));
        assertEquals(Map.of(), store.held);
    }

    private String shelf() {
        return store.held.keySet().stream()
                .map(name -> name.substring(0, name.indexOf('/')))
                .findFirst()
                .orElseThrow();
    }
}
