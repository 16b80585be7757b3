package org.kexecfs.tool;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Somebody at work in another session than the one of which a test is, of the same kexecfsd. Begins when it is made; when it
 * ends all was served, but for as many kills of kexecfsd as the test says, and all that was acknowledged is there.
 */
final class Neighbour {
    private static final Duration PATIENCE = Duration.ofSeconds(90);
    private static final Duration LOOK = Duration.ofMillis(10);

    private final Path mount;
    private final Load load;
    private final int kills;
    private final CompletableFuture<Integer> interruptions;
    private volatile boolean done;

    /** @param kills how often the server of {@code mount} may be killed, and is back after it */
    Neighbour(Path mount, int kills) throws IOException {
        this.mount = mount;
        this.kills = kills;
        load = new Load(mount, new Random(1));
        interruptions = CompletableFuture.supplyAsync(this::work, task -> new Thread(task, "neighbour").start());
    }

    private int work() {
        int interrupted = 0;
        while (!done) {
            if (!load.step()) {
                interrupted++;
                awaitServer();
                check("after a kill");
            }
        }
        return interrupted;
    }

    private void awaitServer() {
        long end = System.nanoTime() + PATIENCE.toNanos();
        while (!Files.isReadable(mount.resolve("kexecfs.state"))) {
            if (System.nanoTime() > end) {
                throw new AssertionError("nobody serves " + mount + " any more");
            }
            try {
                Thread.sleep(LOOK);
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
        }
    }

    private void check(String when) {
        try {
            load.check(when);
        } catch (IOException e) {
            throw new AssertionError(mount + " " + when, e);
        }
    }

    void end() throws InterruptedException, ExecutionException, TimeoutException {
        done = true;
        try {
            int interrupted = interruptions.get(2 * PATIENCE.toSeconds(), TimeUnit.SECONDS);
            assertTrue(interrupted <= kills, () -> mount + " was not served " + interrupted + " times");
            check("at the end");
        } finally {
            load.close();
        }
    }
}
