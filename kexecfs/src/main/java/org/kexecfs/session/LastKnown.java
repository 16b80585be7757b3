package org.kexecfs.session;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Lock;
import java.util.function.Supplier;

/**
 * What may be a little old rather than late. systemd asks for the attributes of a session's root, and for its usage, at a {@code
 * systemctl daemon-reload}, and serves nobody until it knows. Nobody waits for systemd with a session's lock (but for a moment,
 * where LUO refuses what it would take once systemd has closed something: {@link org.kexecfs.keep.KeptLiveUpdate}); a lock may be held for
 * long all the same, by a prepare of much memory, and systemd is not to wait for that.
 */
final class LastKnown<T> {
    /** Milliseconds that it may take to be new. */
    private static final int PATIENCE = 50;

    private final Lock lock;
    private final Supplier<T> question;
    private volatile T known;

    /**
     * Asks for the first time.
     *
     * @param lock that the answer is under; not needed yet
     */
    LastKnown(Lock lock, Supplier<T> question) {
        this.lock = lock;
        this.question = question;
        this.known = question.get();
    }

    T get() {
        if (isTaken()) {
            try {
                known = question.get();
            } finally {
                lock.unlock();
            }
        }
        return known;
    }

    private boolean isTaken() {
        try {
            return lock.tryLock(PATIENCE, TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }
}
