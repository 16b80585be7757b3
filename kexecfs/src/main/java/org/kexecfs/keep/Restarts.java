package org.kexecfs.keep;

import java.time.Duration;
import java.util.List;

/**
 * When a daemon that was killed is started again: at once; but one that dies early again and again only so often at once, and
 * then after ever longer waits. Times are those of System.nanoTime.
 */
final class Restarts {
    /** How often in a row at once. */
    static final int AT_ONCE = 5;

    /** One that has lived for so long did not die of its start. */
    static final Duration LONG_LIFE = Duration.ofSeconds(10);

    static final Duration SHORTEST_WAIT = Duration.ofSeconds(1);
    static final Duration LONGEST_WAIT = Duration.ofMinutes(1);

    private List<String> command = List.of();
    private long begun;

    /** Deaths after a short life since there was a long one. */
    private int earlyDeaths;

    private long due;
    private boolean waiting;

    /** A daemon is served: nothing is to be started now, nor after its end, unless it says so. */
    void begins(long now) {
        command = List.of();
        begun = now;
        waiting = false;
    }

    /** How it is to be started again; nothing: it is not to be. */
    void by(List<String> how) {
        command = how;
    }

    /** It has ended. */
    void ends(long now) {
        boolean early = now - begun < LONG_LIFE.toNanos();
        earlyDeaths = early ? earlyDeaths + 1 : 0;
        plan(now);
    }

    /** What was started has ended, and never came. */
    void failed(long now) {
        earlyDeaths++;
        plan(now);
    }

    private void plan(long now) {
        waiting = !command.isEmpty();
        due = now + delay().toNanos();
    }

    private Duration delay() {
        int late = earlyDeaths - AT_ONCE;
        if (late <= 0) {
            return Duration.ZERO;
        }
        Duration doubled = SHORTEST_WAIT.multipliedBy(1L << Math.min(late - 1, 6));
        return doubled.compareTo(LONGEST_WAIT) < 0 ? doubled : LONGEST_WAIT;
    }

    /** Whether something is to be started, now or later. */
    boolean isWaiting() {
        return waiting;
    }

    /** Milliseconds until then, rounded up. */
    int millisecondsLeft(long now) {
        return (int) Math.ceilDiv(Math.max(0, due - now), 1_000_000L);
    }

    /** It is started now. */
    List<String> start() {
        waiting = false;
        return command;
    }
}
