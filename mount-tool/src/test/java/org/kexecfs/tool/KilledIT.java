package org.kexecfs.tool;

import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * SIGKILL of kexecfsd and of its keeper at random moments under load: what was acknowledged is there. Needs root and
 * /dev/fuse. {@code -Dkexecfs.kills=N} for more kills, {@code -Dkexecfs.seed=N} for the same ones.
 */
class KilledIT {
    private static final int KILLS = Integer.getInteger("kexecfs.kills", 20);
    private static final long SEED = Long.getLong("kexecfs.seed", System.nanoTime());
    private static final Duration LONG = Duration.ofSeconds(60);

    @TempDir
    private Path work;

    private final Random random = new Random(SEED);
    private final Map<String, String> files = new TreeMap<>();
    private Image image;
    private Path mount;
    private String state = "normal";
    private int made;

    /** An operation that may have been killed: whether it was done is for the mount to say. */
    private interface Operation {
        void run() throws IOException;
    }

    @BeforeEach
    void mount() throws Exception {
        image = new Image(work);
        image.sh("mkdir mount && kexecfs mount -o emulate=luo web mount");
        mount = work.resolve("mount");
    }

    @AfterEach
    void stop() throws Exception {
        image.stopDaemon();
    }

    @Test
    void whatWasAcknowledgedIsThereAfterEachKill() throws Exception {
        for (int kill = 1; kill <= KILLS; kill++) {
            boolean keeperToo = random.nextInt(3) == 0;
            int delay = random.nextInt(200);
            CompletableFuture<Void> killed = CompletableFuture.runAsync(
                    () -> kill(keeperToo), CompletableFuture.delayedExecutor(delay, TimeUnit.MILLISECONDS));
            while (!killed.isDone()) {
                operate();
            }
            killed.join();
            startDaemon();
            check("seed " + SEED + ", kill " + kill);
        }
    }

    private void kill(boolean keeperToo) {
        try {
            if (keeperToo) {
                long before = replacements();
                image.sh("kill -KILL $(cat run/keeper.lock)");
                // Both at once would be a loss.
                await().atMost(LONG).until(() -> replacements() > before);
            }
            image.sh("kill -KILL $(cat run/kexecfsd.pid)");
        } catch (IOException | InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private long replacements() throws IOException, InterruptedException {
        return Long.parseLong(image.sh("cat run/*.log | grep -c 'the next keeper holds all' || true")
                .strip());
    }

    /** As a service manager does; it mounts again what there was. */
    private void startDaemon() throws Exception {
        image.sh("setsid kexecfsd </dev/null >>run/again.log 2>&1 &");
        await().atMost(LONG).until(() -> Files.isReadable(mount.resolve("kexecfs.state")));
    }

    private void operate() {
        String name = "file" + random.nextInt(20);
        String there = files.get(name);
        switch (random.nextInt(6)) {
            case 0, 1 -> {
                String content = "content " + made++;
                if (there == null && state.equals("normal")) {
                    attempt(name, content, () -> Files.writeString(mount.resolve(name), content));
                }
            }
            case 2 -> {
                if (there != null && state.equals("normal")) {
                    String more = there + "+" + made++;
                    attempt(
                            name,
                            more,
                            () -> Files.writeString(
                                    mount.resolve(name), more.substring(there.length()), StandardOpenOption.APPEND));
                }
            }
            case 3 -> {
                if (there != null && state.equals("normal")) {
                    attempt(name, null, () -> Files.delete(mount.resolve(name)));
                }
            }
            case 4 -> transit("prepared", "kexecfs.prepare");
            default -> transit("normal", "kexecfs.cancel");
        }
    }

    private void transit(String next, String control) {
        if (!state.equals(next)) {
            try {
                Files.writeString(mount.resolve(control), "1");
                state = next;
            } catch (IOException e) {
                state = seen(
                        () -> Files.readString(mount.resolve("kexecfs.state")).strip());
            }
        }
    }

    /** Does it; if it fails, the file is as it was or as it was to be, or, being written, on the way. */
    private void attempt(String name, String content, Operation operation) {
        String before = files.get(name);
        try {
            operation.run();
            put(name, content);
        } catch (IOException e) {
            String now = seen(() -> Files.exists(mount.resolve(name)) ? Files.readString(mount.resolve(name)) : null);
            boolean onTheWay = now != null && content != null && content.startsWith(now);
            boolean asBefore = now == null ? before == null : now.equals(before);
            assertTrue(asBefore || onTheWay || now == null && content == null, name + " is " + now);
            put(name, now);
        }
    }

    private void put(String name, String content) {
        if (content == null) {
            files.remove(name);
        } else {
            files.put(name, content);
        }
    }

    private interface Look {
        String at() throws IOException;
    }

    /** What the mount shows once it is served again. */
    private String seen(Look look) {
        try {
            startDaemon();
            return look.at();
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    private void check(String when) throws IOException {
        Map<String, String> there = new TreeMap<>();
        try (var listed = Files.list(mount)) {
            for (Path file : (Iterable<Path>) listed::iterator) {
                String name = file.getFileName().toString();
                if (!name.startsWith("kexecfs.")) {
                    there.put(name, Files.readString(file, StandardCharsets.UTF_8));
                }
            }
        }
        assertEquals(files, there, when);
        assertEquals(state, Files.readString(mount.resolve("kexecfs.state")).strip(), when);
    }
}
