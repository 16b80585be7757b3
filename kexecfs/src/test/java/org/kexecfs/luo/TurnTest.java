package org.kexecfs.luo;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Supplier;
import jnr.constants.platform.linux.Errno;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;

/** Turns at a device that lets in one opener at a time. The device here is a stand-in; the guest has the kernel's. */
class TurnTest {
    private static final int THREADS = 16;
    private static final Duration PATIENCE = Duration.ofMillis(300);

    @TempDir
    private Path directory;

    private final AtomicBoolean open = new AtomicBoolean();
    private final AtomicInteger tries = new AtomicInteger();

    /** What the kernel does: a second opener is refused. */
    private String openOnce() {
        tries.incrementAndGet();
        if (!open.compareAndSet(false, true)) {
            throw new ErrnoException(Errno.EBUSY, "open");
        }
        LockSupport.parkNanos(Duration.ofMillis(20).toNanos());
        open.set(false);
        return "opened";
    }

    private Turn turn() {
        return Turn.at(device().toString());
    }

    private Path device() {
        return directory.resolve("device");
    }

    private List<Future<String>> inAllThreads(Supplier<String> task) throws InterruptedException {
        try (ExecutorService threads = Executors.newFixedThreadPool(THREADS)) {
            List<Future<String>> results = new ArrayList<>();
            for (int i = 0; i < THREADS; i++) {
                results.add(threads.submit(task::get));
            }
            return results;
        }
    }

    @Test
    void threadsDoNotMeetAtTheDevice() throws Exception {
        for (Future<String> one : inAllThreads(() -> turn().take(Duration.ZERO, this::openOnce))) {
            assertEquals("opened", one.get());
        }
        assertEquals(THREADS, tries.get());
    }

    @Test
    void whatIsDoneWithinATurnIsTheSameTurn() {
        assertEquals("opened", turn().take(PATIENCE, () -> turn().take(PATIENCE, this::openOnce)));
    }

    @Test
    void aDeviceThatSomebodyElseHasForAMomentIsWaitedFor() {
        String result = turn().take(PATIENCE, () -> {
            open.set(tries.get() < 3);
            return openOnce();
        });

        assertEquals("opened", result);
    }

    @Test
    void whoeverCameWhileItWasBusyGivesUpWithTheFirst() throws Exception {
        open.set(true);
        long begin = System.nanoTime();

        for (Future<String> one : inAllThreads(() -> turn().take(PATIENCE, this::openOnce))) {
            ErrnoException e = (ErrnoException)
                    assertThrows(ExecutionException.class, one::get).getCause();
            assertEquals(Errno.EBUSY, e.errno());
        }
        Duration took = Duration.ofNanos(System.nanoTime() - begin);

        assertTrue(took.compareTo(PATIENCE) >= 0, took.toString());
        assertTrue(took.compareTo(PATIENCE.multipliedBy(THREADS / 2)) < 0, took.toString());
    }

    @Test
    void anErrorOtherThanBusyIsToldAtOnce() {
        ErrnoException e = assertThrows(
                ErrnoException.class,
                () -> turn().take(PATIENCE, () -> {
                    tries.incrementAndGet();
                    throw new ErrnoException(Errno.ENOENT, "open");
                }));

        assertEquals(Errno.ENOENT, e.errno());
        assertEquals(1, tries.get());
    }

    @Test
    void theOneWhoHasItIsNamed_withItsCommand() throws Exception {
        Files.createFile(device());
        open.set(true);
        Process holder = new ProcessBuilder(
                        "sh", "-c", "exec 7<\"$1\"; echo open; read -r line", "sh", device().toString())
                .start();
        try (Fd ours = Fd.open(device().toString(), Fd.O_RDONLY, 0)) {
            holder.inputReader().readLine();

            String message = assertThrows(ErrnoException.class, () -> turn().take(PATIENCE, this::openOnce))
                    .getMessage();

            assertTrue(message.contains(device() + " has been open elsewhere for 300 ms"), message);
            assertTrue(message.contains("process " + holder.pid() + " (sh -c exec 7<"), message);
            assertTrue(message.contains("process " + ProcessHandle.current().pid() + " ("), message);
            assertTrue(ours.number() >= 0);
        } finally {
            holder.destroyForcibly();
        }
    }

    @Test
    void ifNobodyIsToBeSeenItSaysSo() {
        open.set(true);

        String message = assertThrows(ErrnoException.class, () -> turn().take(PATIENCE, this::openOnce))
                .getMessage();

        assertTrue(message.contains("nobody who is to be seen"), message);
    }
}
