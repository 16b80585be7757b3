package org.kexecfs.fuse;

import java.time.Duration;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;
import org.kexecfs.mount.MountViews;
import org.kexecfs.posix.Epoll;
import org.kexecfs.posix.ErrnoException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Says when a filesystem is mounted nowhere any more: one watch of the mount table for all mounts of this process.
 *
 * <p>The kernel tells when our own mount namespace changes, and not what. So the table is read then, but not more often than
 * every {@link #STEP}, however many mounts come and go, and not for more than a small part of the time ({@link #SHARE}): the
 * table of thousands of mounts takes long to read, and keeps all who mount and unmount waiting meanwhile. Other namespaces tell nothing: while a filesystem is in one of those
 * only, they are looked through once a second.
 */
final class MountWatch {
    private static final Logger log = LoggerFactory.getLogger(MountWatch.class);

    private static final Duration STEP = Duration.ofMillis(20);
    /** A look that took long is followed by a pause of so many times that. */
    private static final int SHARE = 10;

    private static final Duration SECOND = Duration.ofSeconds(1);

    private static final MountWatch OF_THIS_PROCESS =
            new MountWatch(MountViews::devicesHere, MountViews::devicesAnywhere);

    private final Supplier<Set<Long>> here;
    private final Supplier<Set<Long>> anywhere;
    private final Workers workers = Workers.ofThisProcess();
    private final Map<Long, Runnable> waiting = new ConcurrentHashMap<>();
    private final AtomicBoolean due = new AtomicBoolean();
    private final AtomicBoolean dueAgain = new AtomicBoolean();

    /** When the next look may be, by System.nanoTime. */
    private volatile long next = System.nanoTime();

    private final Workers.Watch table = workers.watch(MountViews.openOwn(), Epoll.PRI, this::lookSoon);

    /**
     * Begins to watch.
     *
     * @param here numbers of the filesystems that are mounted where we are
     * @param anywhere those that are mounted anywhere
     */
    MountWatch(Supplier<Set<Long>> here, Supplier<Set<Long>> anywhere) {
        this.here = here;
        this.anywhere = anywhere;
        table.arm();
    }

    static MountWatch ofThisProcess() {
        return OF_THIS_PROCESS;
    }

    /**
     * Does something, once, when a filesystem is mounted nowhere; soon, if it is not mounted now.
     *
     * @param device the filesystem's number, as in {@link org.kexecfs.posix.FileId}
     */
    void whenNowhere(long device, Runnable what) {
        waiting.put(device, what);
        lookSoon();
    }

    /** What {@link #whenNowhere} was told is not to be done any more; it may be under way. */
    void forget(long device, Runnable what) {
        waiting.remove(device, what);
    }

    private void lookSoon() {
        if (due.compareAndSet(false, true)) {
            workers.later(STEP, this::lookInTime);
        }
    }

    private void lookInTime() {
        Duration left = Duration.ofNanos(next - System.nanoTime());
        if (left.isPositive()) {
            workers.later(left, this::lookInTime);
        } else {
            look();
        }
    }

    private void look() {
        due.set(false);
        // First, so that no change is missed.
        table.arm();
        long began = System.nanoTime();
        try {
            if (isAnyElsewhere()) {
                lookAgain();
            }
        } catch (ErrnoException e) {
            log.warn("whether mounts have ended cannot be seen now: {}", e.getMessage());
            lookAgain();
        } finally {
            long ended = System.nanoTime();
            next = ended + SHARE * (ended - began);
        }
    }

    /** Tells of those that are nowhere; whether some are mounted, but not here. */
    private boolean isAnyElsewhere() {
        Set<Long> gone = goneFrom(here.get());
        if (gone.isEmpty()) {
            return false;
        }
        Set<Long> elsewhere = anywhere.get();
        gone.stream().filter(device -> !elsewhere.contains(device)).forEach(this::tell);
        return gone.stream().anyMatch(elsewhere::contains);
    }

    private void lookAgain() {
        if (dueAgain.compareAndSet(false, true)) {
            workers.later(SECOND, () -> {
                dueAgain.set(false);
                look();
            });
        }
    }

    private Set<Long> goneFrom(Set<Long> mounted) {
        Set<Long> gone = new HashSet<>(waiting.keySet());
        gone.removeAll(mounted);
        return gone;
    }

    private void tell(long device) {
        Runnable what = waiting.remove(device);
        if (what != null) {
            workers.execute(what);
        }
    }
}
