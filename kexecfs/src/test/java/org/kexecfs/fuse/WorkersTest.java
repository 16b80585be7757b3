package org.kexecfs.fuse;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.kexecfs.posix.Epoll;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.ThreadKeys;

/** Threads that all mounts share, and what one mount's trouble is to the others. */
class WorkersTest {
    private static final int MANY = 40;

    private final Workers workers = Workers.ofThisProcess();
    private final CountDownLatch released = new CountDownLatch(1);
    private final List<Runnable> cleanUp = new ArrayList<>();

    @AfterEach
    void letGo() {
        released.countDown();
        cleanUp.reversed().forEach(Runnable::run);
    }

    private void waitForRelease() {
        try {
            released.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private Fd event() {
        Fd event = Fd.event();
        cleanUp.add(event::close);
        return event;
    }

    private static void await(Semaphore semaphore, int times) throws InterruptedException {
        assertTrue(semaphore.tryAcquire(times, 20, TimeUnit.SECONDS), "it never comes to that");
    }

    @Test
    void sourcesThatNeverReturnLeaveAThreadForTheNext() throws Exception {
        Semaphore stuck = new Semaphore(0);
        for (int i = 0; i < MANY; i++) {
            Fd event = event();
            Workers.Watch watch = workers.watch(event, Epoll.IN, () -> {
                stuck.release();
                waitForRelease();
            });
            watch.arm();
            cleanUp.add(watch::remove);
            event.signal();
        }
        await(stuck, MANY);

        Semaphore done = new Semaphore(0);
        workers.execute(done::release);

        await(done, 1);
    }

    @Test
    void aSourceHasOneThreadUntilItIsArmedAgain() throws Exception {
        Semaphore entered = new Semaphore(0);
        Fd event = event();
        Workers.Watch[] watch = new Workers.Watch[1];
        watch[0] = workers.watch(event, Epoll.IN, () -> {
            entered.release();
            waitForRelease();
        });
        cleanUp.add(() -> watch[0].remove());
        event.signal();
        watch[0].arm();
        await(entered, 1);

        Semaphore other = new Semaphore(0);
        workers.execute(other::release);
        await(other, 1);
        assertEquals(0, entered.availablePermits(), "a second thread came for what the first has not read");

        watch[0].arm();
        await(entered, 1);
    }

    @Test
    void tasksOfManyThreadsAreAllDone() throws Exception {
        Semaphore done = new Semaphore(0);
        try (ExecutorService threads = Executors.newFixedThreadPool(8)) {
            for (int i = 0; i < 1000; i++) {
                threads.execute(() -> workers.execute(done::release));
            }
        }

        await(done, 1000);
    }

    @Test
    void whatFailsTakesNoThreadAway() throws Exception {
        for (int i = 0; i < 4; i++) {
            workers.execute(() -> {
                throw new IllegalStateException("a test's");
            });
        }
        Semaphore done = new Semaphore(0);
        workers.execute(done::release);

        await(done, 1);
    }

    @Test
    void aMountWhoseRequestsDoNotReturnHasSoManyThreads_andOthersAreServed() throws Exception {
        try (Mounted mounted = Mounted.with("");
                ExecutorService closers = Executors.newCachedThreadPool();
                StuckMount stuck = new StuckMount(mounted.base().resolve("stuck"))) {
            List<Fd> open = Stream.generate(stuck::open).limit(MANY).toList();
            open.forEach(file -> closers.execute(file::close));
            stuck.awaitCloses(StuckMount.MOST_REQUESTS);

            mounted.write("a", "served");

            assertEquals("served", mounted.read("a"));
            assertEquals(0, stuck.closes(), "more requests are under way than a mount may have");
            stuck.release();
        }
    }

    @Test
    void mountsHaveNoThreadsOfTheirOwn() throws Exception {
        try (Mounted first = Mounted.with("")) {
            List<KexecFsMount> more = new ArrayList<>();
            try {
                more.add(another(first, 0));
                int before = threads();
                for (int i = 1; i < MANY; i++) {
                    more.add(another(first, i));
                }
                // The pool may grow by the few that are busy at once.
                assertTrue(threads() < before + MANY / 2, () -> threads() + " threads, and before " + before);
            } finally {
                more.forEach(KexecFsMount::close);
            }
        }
    }

    @Test
    void aProcessHasMoreMountsThanThreadKeys() throws Exception {
        try (Mounted first = Mounted.with("")) {
            int before = ThreadKeys.next();
            List<KexecFsMount> more = new ArrayList<>();
            try {
                for (int i = 0; i < MANY; i++) {
                    more.add(another(first, i));
                }
                assertTrue(ThreadKeys.next() <= before + 1, "libfuse keeps a key for each mount");
            } finally {
                more.forEach(KexecFsMount::close);
            }
            assertTrue(ThreadKeys.next() <= before + 1);
        }
    }

    private static int threads() {
        return Path.of("/proc/self/task").toFile().list().length;
    }

    private static KexecFsMount another(Mounted first, int number) throws java.io.IOException {
        Path directory = Files.createDirectory(first.base().resolve("m" + number));
        return KexecFsMount.mount("s" + number, directory, first.options(""));
    }
}
