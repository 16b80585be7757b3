package org.kexecfs.fuse;

import java.time.Duration;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.kexecfs.posix.Epoll;
import org.kexecfs.posix.Fd;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The threads that serve all mounts of this process.
 *
 * <p>Life of a source, which is a descriptor that requests come from:
 *
 * <ol>
 *   <li>{@link #watch}, {@link Watch#arm}: from here on it is waited for.
 *   <li>Something can be read: one thread runs its {@link Source#ready}, and nobody waits for it any more.
 *   <li>{@link Watch#arm} lets it be waited for again, by any thread, while the first goes on: so the source says how many
 *       threads it may have.
 *   <li>{@link Watch#remove}, before the descriptor is closed.
 * </ol>
 *
 * <p>Life of a thread: it waits for any source, which the kernel gives to the thread that has waited least, whose memory is
 * warm. Before the last one that waits goes to work, it starts another. So there is always one that waits, and whatever a source
 * does with its threads, no other ever finds none. A thread that found nothing to do for a while ends, if others wait. Tasks
 * ({@link #execute}) are one more source.
 *
 * <p>No locks.
 */
final class Workers {
    private static final Logger log = LoggerFactory.getLogger(Workers.class);

    private static final int STACK_SIZE = 512 * 1024;
    private static final int IDLE_MILLISECONDS = 10_000;
    private static final int LEAST_WAITING = 2;

    private static final Workers OF_THIS_PROCESS = new Workers();

    private final Epoll epoll = new Epoll();
    private final Map<Long, Source> sources = new ConcurrentHashMap<>();
    private final AtomicLong lastKey = new AtomicLong();
    private final AtomicLong lastThread = new AtomicLong();
    private final AtomicInteger waiting = new AtomicInteger();
    private final ScheduledExecutorService clock =
            Executors.newSingleThreadScheduledExecutor(task -> daemon(task, "kexecfs-clock"));

    private final Queue<Runnable> tasks = new ConcurrentLinkedQueue<>();
    private final Fd taskThere = Fd.event();
    private final Watch taskWatch = watch(taskThere, Epoll.IN, this::runTask);

    private Workers() {
        taskWatch.arm();
        startThread();
    }

    /** Those of this process: one set of threads, whatever it serves. */
    static Workers ofThisProcess() {
        return OF_THIS_PROCESS;
    }

    /** What is to be done when something can be read. Not called again before an {@link Watch#arm}. */
    @FunctionalInterface
    interface Source {
        void ready();
    }

    /** The wait for a source; none before the first {@link #arm}. */
    final class Watch {
        private final long key = lastKey.incrementAndGet();
        private final Source source;
        private final Epoll.Member member;

        private Watch(Fd file, int events, Source source) {
            this.source = source;
            this.member = epoll.member(file, events | Epoll.ONESHOT, key);
        }

        /** It is waited for, by any thread, until something can be read. Not by two threads at once. */
        void arm() {
            if (sources.putIfAbsent(key, source) == null) {
                member.add();
            } else {
                member.modify();
            }
        }

        /** It is not waited for any more. A thread that was told just before may begin with it still. */
        void remove() {
            if (sources.remove(key) != null) {
                member.remove();
            }
        }
    }

    /**
     * Prepares the wait for a source.
     *
     * @param file its descriptor, whose reads do not block; open until {@link Watch#remove}
     * @param events {@link Epoll#IN} or {@link Epoll#PRI}; errors and hang-ups are something to read, too
     */
    Watch watch(Fd file, int events, Source source) {
        return new Watch(file, events, source);
    }

    /** Does something soon, on a thread that may take its time. */
    void execute(Runnable what) {
        tasks.add(what);
        taskThere.signal();
    }

    /** {@link #execute}, a little later. */
    void later(Duration delay, Runnable what) {
        clock.schedule(() -> execute(what), delay.toMillis(), TimeUnit.MILLISECONDS);
    }

    private void runTask() {
        taskThere.reset();
        Runnable task = tasks.poll();
        if (!tasks.isEmpty()) {
            taskThere.signal();
        }
        taskWatch.arm();
        if (task != null) {
            task.run();
        }
    }

    private void startThread() {
        waiting.incrementAndGet();
        try {
            daemon(this::work, "fuse-" + lastThread.incrementAndGet()).start();
        } catch (OutOfMemoryError e) {
            // No process or thread more is allowed: whoever is done with what it does is the next that waits.
            waiting.decrementAndGet();
            log.error("no further thread can be started; requests wait for those that there are", e);
        }
    }

    private void work() {
        Epoll.Waiter waiter = epoll.waiter(1);
        while (true) {
            long ready = waiter.awaitOne(IDLE_MILLISECONDS);
            int others = waiting.decrementAndGet();
            if (ready < 0 && others >= LEAST_WAITING) {
                return;
            }
            if (ready >= 0) {
                if (others == 0) {
                    startThread();
                }
                run(ready);
            }
            waiting.incrementAndGet();
        }
    }

    private void run(long key) {
        Source source = sources.get(key);
        if (source == null) {
            return;
        }
        try {
            source.ready();
        } catch (RuntimeException | Error e) {
            log.error("what serves a mount failed in a way it should not; please report this", e);
        }
    }

    private static Thread daemon(Runnable task, String name) {
        Thread thread = new Thread(null, task, name, STACK_SIZE);
        thread.setDaemon(true);
        return thread;
    }
}
