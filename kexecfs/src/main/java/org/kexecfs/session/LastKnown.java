package org.kexecfs.session;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Lock;
import java.util.function.Supplier;

/**
 * What may be a little old rather than late. systemd asks for the attributes of a session's root, and for its usage, at a {@code
 * systemctl daemon-reload} and when it is given something to keep, and serves nobody until it knows: a session that waits for systemd
 * meanwhile, with its lock held, must have an answer for it.
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
