package org.kexecfs.tool;

import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.kexecfs.keep.Keep;

/**
 * SIGKILL of kexecfsd, of its keeper, each and both, and of the keeper's shadow, at random moments under load: what was acknowledged is there, every byte and
 * attribute, and the state is the one before or the one after. Needs root and /dev/fuse. {@code -Dkexecfs.kills=N} for more
 * kills or fewer, {@code -Dkexecfs.seed=N} for the same ones.
 */
class KilledIT {
    private static final int KILLS = Integer.getInteger("kexecfs.kills", 300);
    private static final long SEED = Long.getLong("kexecfs.seed", System.nanoTime());
    private static final int LANES = 2;
    private static final int SESSIONS = 3;
    private static final int LATEST = 150;
    private static final Duration LONG = Duration.ofSeconds(60);
    private static final Duration STEP = Duration.ofMillis(5);

    @TempDir
    private Path work;

    /** Two daemons beside each other, each with a runtime directory of its own: neither notices what the other is done. */
    @Test
    void whatWasAcknowledgedIsThereAfterEachKill() throws Exception {
        System.out.println("kexecfs.seed=" + SEED + " kexecfs.kills=" + KILLS);
        try (ExecutorService threads = Executors.newFixedThreadPool(LANES)) {
            List<Future<Void>> lanes = new ArrayList<>();
            for (int lane = 0; lane < LANES; lane++) {
                Path directory = Files.createDirectory(work.resolve("lane" + lane));
                Random random = new Random(SEED + lane);
                lanes.add(threads.submit(() -> {
                    Lane one = new Lane(directory, random);
                    try {
                        one.kill(KILLS / LANES);
                    } catch (Exception | AssertionError e) {
                        one.endAfter(e);
                        throw e;
                    }
                    one.end();
                    return null;
                }));
            }
            for (Future<Void> lane : lanes) {
                lane.get();
            }
        }
    }

    /** A daemon with some sessions and somebody at work in each. */
    private static final class Lane {
        private final Image image;
        private final Path log;
        private final Path directory;
        private final Random random;
        private final List<Path> mounts;
        private final List<Load> loads = new ArrayList<>();

        /** Who is killed. */
        private enum Victim {
            DAEMON,
            KEEPER,
            /** And then the one that is about to take its place. */
            KEEPERS,
            SHADOW,
            /** Both at once. */
            KEEPER_AND_DAEMON,
            /** Both at once, and then the keeper that is about to take everything from the shadow. */
            KEEPERS_AND_DAEMON;

            boolean isDaemon() {
                return this == DAEMON || this == KEEPER_AND_DAEMON || this == KEEPERS_AND_DAEMON;
            }
        }

        private Lane(Path directory, Random random) throws Exception {
            this.directory = directory;
            this.random = random;
            image = new Image(directory);
            Files.createDirectory(image.runtime());
            log = image.runtime().resolve("log");
            mounts = IntStream.range(0, SESSIONS)
                    .mapToObj(i -> directory.resolve("mount" + i))
                    .toList();
            image.startDaemon(log);
            await().atMost(LONG).until(() -> Files.exists(image.runtime().resolve("kexecfsd.sock")));
            for (Path mount : mounts) {
                Files.createDirectory(mount);
            }
            mount();
            for (Path mount : mounts) {
                loads.add(new Load(mount, new Random(random.nextLong())));
            }
        }

        private void mount() throws Exception {
            image.sh("for i in mount*; do kexecfs mount -o emulate=luo $i $i & done; wait");
        }

        private void kill(int kills) throws Exception {
            for (int kill = 1; kill <= kills; kill++) {
                if (kill % 40 == 0) {
                    kexec();
                }
                Victim victim = victim();
                int delay = random.nextInt(LATEST);
                String when = "seed " + SEED + ", " + directory.getFileName() + ", kill " + kill + " of " + victim
                        + " after " + delay + " ms";
                boolean alive = work(() -> {
                    Thread.sleep(delay);
                    kill(victim);
                    return null;
                });
                assertEquals(!victim.isDaemon(), alive, when);
                if (!alive) {
                    long keeper = keeper();
                    image.startDaemon(log);
                    if (victim == Victim.KEEPERS_AND_DAEMON) {
                        killNext(keeper);
                    }
                    awaitHealed();
                }
                for (Load load : loads) {
                    load.check(when);
                }
            }
        }

        private Victim victim() {
            return switch (random.nextInt(10)) {
                case 0 -> Victim.KEEPER;
                case 1 -> Victim.KEEPERS;
                case 2 -> Victim.SHADOW;
                case 3 -> Victim.KEEPER_AND_DAEMON;
                case 4 -> Victim.KEEPERS_AND_DAEMON;
                default -> Victim.DAEMON;
            };
        }

        /** Everybody is at work while something is done, and as long as that goes. Whether it still goes then. */
        private boolean work(Callable<Void> meanwhile) throws Exception {
            List<CompletableFuture<Boolean>> workers = new ArrayList<>();
            AtomicBoolean done = new AtomicBoolean();
            for (Load load : loads) {
                workers.add(CompletableFuture.supplyAsync(
                        () -> {
                            boolean alive = true;
                            while (alive && !done.get()) {
                                alive = load.step();
                            }
                            return alive;
                        },
                        task -> new Thread(task, "load").start()));
            }
            try {
                meanwhile.call();
            } finally {
                done.set(true);
            }
            boolean alive = true;
            for (CompletableFuture<Boolean> worker : workers) {
                alive &= worker.get();
            }
            return alive;
        }

        private void kill(Victim victim) throws Exception {
            // The one before may have been killed as it began.
            await().atMost(LONG).pollInterval(STEP).until(() -> isAlive(keeper()));
            long keeper = keeper();
            long before = replacements();
            switch (victim) {
                case DAEMON -> end(daemon());
                case SHADOW -> killShadow(keeper);
                case KEEPER -> end(keeper);
                case KEEPERS -> {
                    end(keeper);
                    killNext(keeper);
                }
                case KEEPER_AND_DAEMON, KEEPERS_AND_DAEMON -> {
                    long daemon = daemon();
                    end(keeper);
                    end(daemon);
                }
            }
            if (victim == Victim.KEEPER || victim == Victim.KEEPERS) {
                await().atMost(LONG).pollInterval(STEP).until(() -> replacements() > before);
            }
        }

        /** The keeper may be one that the kill before this has hit and not ended yet: it is the next one's shadow then that is waited for. */
        private void killShadow(long keeper) {
            Set<Long> before = shadows(keeper);
            assertEquals(1, before.size());
            before.forEach(Lane::end);
            await().atMost(LONG).pollInterval(STEP).until(() -> {
                Set<Long> now = shadows(keeper());
                return now.size() == 1 && !now.equals(before);
            });
        }

        private Set<Long> shadows(long keeper) {
            return Keep.processes(image.runtime()).stream()
                    .map(Integer::longValue)
                    .filter(pid -> pid != keeper)
                    .collect(Collectors.toSet());
        }

        /** Kills whoever takes the place of a keeper, while it does, or just after. */
        private void killNext(long keeper) throws Exception {
            await().atMost(LONG).pollInterval(Duration.ofMillis(1)).until(() -> keeper() != keeper);
            Thread.sleep(random.nextInt(40));
            ProcessHandle.of(keeper()).ifPresent(ProcessHandle::destroyForcibly);
        }

        private static boolean isAlive(long pid) {
            return ProcessHandle.of(pid).filter(ProcessHandle::isAlive).isPresent();
        }

        private static void end(long pid) {
            assertTrue(ProcessHandle.of(pid).orElseThrow().destroyForcibly());
        }

        private long daemon() throws IOException {
            return pid("kexecfsd.pid");
        }

        private long keeper() throws IOException {
            return pid("keeper.lock");
        }

        private long pid(String file) throws IOException {
            return Long.parseLong(
                    Files.readString(image.runtime().resolve(file)).strip());
        }

        private long replacements() {
            try (var lines = Files.lines(log)) {
                return lines.filter(line -> line.contains("the next keeper holds all"))
                        .count();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        private void awaitHealed() {
            for (Path mount : mounts) {
                await().atMost(LONG).pollInterval(STEP).until(() -> Files.isReadable(mount.resolve("kexecfs.state")));
            }
        }

        private void kexec() throws Exception {
            for (Load load : loads) {
                load.prepare();
            }
            image.sh("kexecfs kexec --emulate luo");
            mount();
            for (Load load : loads) {
                load.updated();
                load.check("after a kexec");
            }
        }

        /** What went wrong is what is to be told, and not what could not be ended after it. */
        private void endAfter(Throwable failure) {
            try {
                end();
            } catch (Exception | AssertionError e) {
                failure.addSuppressed(e);
            }
        }

        /** Nothing was written where a mount is missing for a moment. */
        private void end() throws Exception {
            loads.forEach(Load::close);
            image.stopDaemon();
            for (Path mount : mounts) {
                try (var under = Files.list(mount)) {
                    assertEquals(List.of(), under.toList(), "below the mount");
                }
            }
        }
    }
}
