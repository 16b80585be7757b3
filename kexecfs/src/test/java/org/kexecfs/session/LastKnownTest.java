package org.kexecfs.session;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import org.junit.jupiter.api.Test;

class LastKnownTest {
    private final ReentrantReadWriteLock lock = new ReentrantReadWriteLock();
    private final AtomicInteger value = new AtomicInteger(1);
    private final LastKnown<Integer> known = new LastKnown<>(lock.readLock(), value::get);

    @Test
    void whileTheLockIsFree_itIsNew() {
        value.set(2);
        assertEquals(2, known.get());
        value.set(3);
        assertEquals(3, known.get());
    }

    @Test
    void whileTheLockIsHeld_itIsWhatItWas() throws Exception {
        value.set(2);
        lock.writeLock().lock();
        try {
            assertEquals(1, CompletableFuture.supplyAsync(known::get).get(10, TimeUnit.SECONDS));
        } finally {
            lock.writeLock().unlock();
        }
        assertEquals(2, CompletableFuture.supplyAsync(known::get).get(10, TimeUnit.SECONDS));
    }
}
