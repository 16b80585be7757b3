package org.kexecfs.keep;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** How often a daemon is started again. */
class RestartsTest {
    private final Restarts restarts = new Restarts();
    private long now;

    private void livesFor(Duration life) {
        restarts.begins(now);
        restarts.by(List.of("kexecfsd"));
        now += life.toNanos();
        restarts.ends(now);
    }

    @Test
    void oneThatWasKilledIsStartedAtOnce() {
        livesFor(Duration.ofHours(1));

        assertTrue(restarts.isWaiting());
        assertEquals(0, restarts.millisecondsLeft(now));
        assertEquals(List.of("kexecfsd"), restarts.start());
        assertFalse(restarts.isWaiting());
    }

    @Test
    void oneThatDidNotAskForItIsNotStarted() {
        restarts.begins(now);
        restarts.ends(now);

        assertFalse(restarts.isWaiting());
    }

    @Test
    void whatOneAskedForIsNotForTheNext() {
        livesFor(Duration.ZERO);
        restarts.begins(now);
        restarts.ends(now);

        assertFalse(restarts.isWaiting());
    }

    @Test
    void oneThatDiesEarlyAgainAndAgainWaitsEverLonger() {
        List<Integer> waits = new ArrayList<>();
        for (int i = 0; i < 14; i++) {
            livesFor(Duration.ofMillis(100));
            waits.add(restarts.millisecondsLeft(now));
        }

        assertEquals(List.of(0, 0, 0, 0, 0, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000, 60000), waits);
    }

    @Test
    void oneThatCannotBeStartedCountsLikeOneThatDies() {
        livesFor(Duration.ofHours(1));
        for (int i = 0; i < 6; i++) {
            restarts.start();
            restarts.failed(now);
        }

        assertEquals(1000, restarts.millisecondsLeft(now));
    }

    @Test
    void aLongLifeForgivesWhatWasBefore() {
        for (int i = 0; i < 10; i++) {
            livesFor(Duration.ZERO);
        }
        livesFor(Restarts.LONG_LIFE);

        assertEquals(0, restarts.millisecondsLeft(now));
    }

    @Test
    void whoeverCameMeanwhileEndsTheWait() {
        for (int i = 0; i < 10; i++) {
            livesFor(Duration.ZERO);
        }
        restarts.begins(now);

        assertFalse(restarts.isWaiting());
    }
}
