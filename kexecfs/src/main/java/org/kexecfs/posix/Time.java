package org.kexecfs.posix;

import java.time.Instant;

/**
 * struct timespec as a point in time.
 *
 * @param seconds since the epoch; negative before 1970
 * @param nanoseconds 0 to 999,999,999
 */
public record Time(long seconds, long nanoseconds) implements Comparable<Time> {
    /** The time now, by the realtime clock. */
    public static Time now() {
        Instant now = Instant.now();
        return new Time(now.getEpochSecond(), now.getNano());
    }

    @Override
    public int compareTo(Time other) {
        int bySeconds = Long.compare(seconds, other.seconds);
        return bySeconds != 0 ? bySeconds : Long.compare(nanoseconds, other.nanoseconds);
    }
}
