package org.kexecfs.fuse;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.Set;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;

/** Looking for mounts that have ended: soon, and not all the time. */
class MountWatchTest {
    private static final long OURS = 1L << 40;
    private static final long GONE = OURS + 1;
    private static final Runnable IGNORED = () -> {};
    private static final Duration LONG_TABLE = Duration.ofMillis(20);

    @Test
    void whatIsMountedNowhereIsTold_once() throws Exception {
        MountWatch watch = new MountWatch(() -> Set.of(OURS), () -> Set.of(OURS));
        Semaphore told = new Semaphore(0);
        Runnable wrong = () -> told.release(100);
        watch.whenNowhere(OURS, wrong);
        watch.whenNowhere(GONE, told::release);

        assertTrue(told.tryAcquire(20, TimeUnit.SECONDS), "it is not told");
        watch.forget(OURS, wrong);
        assertTrue(!told.tryAcquire(50, TimeUnit.MILLISECONDS), "it is told again, or what is mounted is");
    }

    /** Reading the table keeps all who mount and unmount waiting: with thousands of mounts it takes long. */
    @Test
    void theLongerALookTakes_theLongerItIsTillTheNext_howeverManyMountsComeAndGo() {
        AtomicInteger looks = new AtomicInteger();
        MountWatch watch = new MountWatch(
                () -> {
                    looks.incrementAndGet();
                    LockSupport.parkNanos(LONG_TABLE.toNanos());
                    return Set.of(OURS);
                },
                Set::of);

        long begun = System.nanoTime();
        while (looks.get() < 4) {
            watch.whenNowhere(OURS, IGNORED);
            LockSupport.parkNanos(Duration.ofMillis(1).toNanos());
        }
        Duration taken = Duration.ofNanos(System.nanoTime() - begun);

        assertTrue(taken.compareTo(LONG_TABLE.multipliedBy(3 * 10)) > 0, () -> "4 looks within " + taken);
        watch.forget(OURS, IGNORED);
    }
}
