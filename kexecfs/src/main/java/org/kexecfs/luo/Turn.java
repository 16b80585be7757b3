package org.kexecfs.luo;

import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;

/**
 * Which thread of this process opens a LUO device next. The kernel lets in one opener at a time, and offers nothing to wait
 * on, so threads that do not know of each other would use up their patience on one another.
 *
 * <p>Locks: {@code turn}, one for each device, guards this. It is taken while a session's lock is held, and {@link
 * org.kexecfs.keep.KeptLiveUpdate}'s monitor; under it the monitor of the process's one keep. Whoever has it opens the device, or
 * has it opened by the keeper, tries again while somebody else has it open, and does nothing else.
 */
final class Turn {
    private static final Map<String, Turn> BY_DEVICE = new ConcurrentHashMap<>();
    private static final Duration FIRST_WAIT = Duration.ofMillis(1);
    private static final Duration LONGEST_WAIT = Duration.ofMillis(100);

    private final String device;

    /** Fair: of hundreds none is to wait for all the others twice. */
    private final ReentrantLock turn = new ReentrantLock(true);

    /** When it was not busy last, by System.nanoTime. */
    private long opened = System.nanoTime();

    private Turn(String device) {
        this.device = device;
    }

    /** The turns at a device. */
    static Turn at(String device) {
        return BY_DEVICE.computeIfAbsent(device, Turn::new);
    }

    /**
     * Waits for the turn, and tries until the device is not busy.
     *
     * @param patience how long it may be somebody else's, from when we came, or from when a thread of ours had it: then those
     *     who came meanwhile give up together
     * @param opens opens the device once; EBUSY if it is somebody else's. What it does within that, in the same way, is the same
     *     turn
     * @throws ErrnoException EBUSY, with who has it; and what {@code opens} throws
     */
    <T> T take(Duration patience, Supplier<T> opens) {
        if (turn.isHeldByCurrentThread()) {
            return opens.get();
        }
        long came = System.nanoTime();
        turn.lock();
        try {
            long since = opened - came > 0 ? opened : came;
            return tryUntil(since + patience.toNanos(), patience, opens);
        } finally {
            turn.unlock();
        }
    }

    private <T> T tryUntil(long deadline, Duration patience, Supplier<T> opens) {
        Duration wait = FIRST_WAIT;
        while (true) {
            try {
                T result = opens.get();
                opened = System.nanoTime();
                return result;
            } catch (ErrnoException e) {
                if (!e.is(Errno.EBUSY)) {
                    opened = System.nanoTime();
                    throw e;
                }
                if (System.nanoTime() - deadline >= 0) {
                    throw busy(patience);
                }
            }
            LockSupport.parkNanos(wait.toNanos());
            wait = wait.multipliedBy(2).compareTo(LONGEST_WAIT) < 0 ? wait.multipliedBy(2) : LONGEST_WAIT;
        }
    }

    private ErrnoException busy(Duration patience) {
        String holders = Holders.of(device);
        return new ErrnoException(
                Errno.EBUSY,
                device + " has been open elsewhere for " + patience.toMillis() + " ms, and only one may have it: "
                        + (holders.isEmpty() ? "by nobody who is to be seen from here" : holders));
    }
}
