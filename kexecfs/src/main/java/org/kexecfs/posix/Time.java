package org.kexecfs.posix;

/**
 * struct timespec as a point in time.
 *
 * @param seconds since the epoch; negative before 1970
 * @param nanoseconds 0 to 999,999,999
 */
public record Time(long seconds, long nanoseconds) implements Comparable<Time> {
    @Override
    public int compareTo(Time other) {
        int bySeconds = Long.compare(seconds, other.seconds);
        return bySeconds != 0 ? bySeconds : Long.compare(nanoseconds, other.nanoseconds);
    }
}
