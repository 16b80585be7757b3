package org.kexecfs.fuse;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.ReentrantLock;
import jnr.ffi.Pointer;

/**
 * Who waits for a change of the state with poll(2).
 *
 * <p>As with the kernel's own attribute files (fs/kernfs/file.c): the file can always be read, and POLLPRI | POLLERR
 * say that it has changed since this open file was last read from the start.
 *
 * <p>{@code lock} guards the fields; nothing else is locked under it. Poll handles are notified and freed outside.
 */
final class StateWatch {
    static final int POLLIN = 0x01;
    static final int POLLPRI = 0x02;
    static final int POLLOUT = 0x04;
    static final int POLLERR = 0x08;
    static final int POLLRDNORM = 0x40;
    static final int POLLWRNORM = 0x100;

    private final LibFuse fuse;
    private final ReentrantLock lock = new ReentrantLock();
    private final Map<Long, Pointer> waiting = new HashMap<>();
    private final Map<Long, Long> seen = new HashMap<>();
    private long changes;

    StateWatch(LibFuse fuse) {
        this.fuse = fuse;
    }

    /** The open file {@code handle} has seen what there is now. */
    void read(long handle) {
        locked(() -> seen.put(handle, changes));
    }

    /** The state has changed: everyone who waits is told. */
    void changed() {
        List<Pointer> told = new ArrayList<>();
        locked(() -> {
            changes++;
            told.addAll(waiting.values());
            waiting.clear();
        });
        told.forEach(poll -> {
            fuse.fuse_notify_poll(poll);
            forget(poll);
        });
    }

    /**
     * Answers poll(2).
     *
     * @param poll to be notified at the next change; null if nobody waits
     * @return POLL* bits
     */
    int poll(long handle, Pointer poll) {
        List<Pointer> replaced = new ArrayList<>();
        int[] ready = {POLLIN | POLLRDNORM};
        locked(() -> {
            if (seen.computeIfAbsent(handle, h -> changes) != changes) {
                ready[0] |= POLLPRI | POLLERR;
            }
            if (poll != null) {
                Pointer before = waiting.put(handle, poll);
                if (before != null) {
                    replaced.add(before);
                }
            }
        });
        replaced.forEach(this::forget);
        return ready[0];
    }

    /** The open file {@code handle} is closed. */
    void closed(long handle) {
        List<Pointer> left = new ArrayList<>();
        locked(() -> {
            seen.remove(handle);
            Pointer poll = waiting.remove(handle);
            if (poll != null) {
                left.add(poll);
            }
        });
        left.forEach(this::forget);
    }

    /** Frees a poll handle that nothing will ever notify; null is none. */
    void forget(Pointer poll) {
        if (poll != null) {
            fuse.fuse_pollhandle_destroy(poll);
        }
    }

    /** Nobody waits any more. */
    void close() {
        List<Pointer> left = new ArrayList<>();
        locked(() -> {
            left.addAll(waiting.values());
            waiting.clear();
        });
        left.forEach(this::forget);
    }

    private void locked(Runnable what) {
        lock.lock();
        try {
            what.run();
        } finally {
            lock.unlock();
        }
    }
}
