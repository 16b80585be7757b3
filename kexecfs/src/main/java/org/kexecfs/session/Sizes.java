package org.kexecfs.session;

import java.util.function.BooleanSupplier;
import java.util.function.LongSupplier;
import org.kexecfs.keep.KeptLiveUpdate;
import org.kexecfs.posix.ErrnoException;

/**
 * What changes a file's size, or may: the state says whether it can, and LUO, which has a file only while its size stands still,
 * gives it back for that, and has it again afterwards ({@link #sync}).
 *
 * <p>In a session that preserves at prepare bytes move under no lock. In one that preserves at link they are written under the
 * shared half of {@link Life}'s, so that LUO is not handed a file that grows meanwhile.
 */
final class Sizes {
    private final Life life;
    private final Entries entries;
    private final HeldEntries held;

    private final KeptLiveUpdate luo;

    Sizes(Life life, Entries entries, KeptLiveUpdate luo) {
        this.life = life;
        this.entries = entries;
        this.held = entries.held();
        this.luo = luo;
    }

    /** Refuses, with the table's errno, what would change a size in this state. */
    private void check(BooleanSupplier resizes) {
        if (areFixed() && resizes.getAsBoolean()) {
            StateTable.check(life.state(), Operation.RESIZE);
        }
    }

    private boolean areFixed() {
        return StateTable.answer(life.state(), Operation.RESIZE) instanceof StateTable.Refused;
    }

    /** Whether they are fixed, and by us alone: LUO's device freezes those of what it holds itself. */
    boolean areGuarded() {
        boolean frozenByLuo = life.state() == State.PREPARED && !luo.emulated();
        return areFixed() && !frozenByLuo;
    }

    /** Whether a file that was written is to be handed to LUO: {@link #sync}. */
    boolean awaitLuo() {
        return held.isEachAtOnce();
    }

    /**
     * Writes to a file. If LUO may have it, that is under the lock: LUO must not be handed a file that is growing.
     *
     * @param grows whether {@code write} makes it longer
     */
    long write(long token, BooleanSupplier grows, LongSupplier write) {
        if (!held.isEachAtOnce()) {
            check(grows);
            return write.getAsLong();
        }
        while (true) {
            life.lockShared();
            try {
                check(grows);
                if (!held.isHeld(token) || !grows.getAsBoolean()) {
                    return write.getAsLong();
                }
            } finally {
                life.unlockShared();
            }
            life.alone(() -> {
                check(grows);
                held.loosen(token);
            });
            luo.settle();
        }
    }

    /**
     * Sets a file's size, or what of it is allocated. If LUO has it, it is taken back for that, and handed over again.
     *
     * @param resizes whether {@code change} makes it longer or shorter
     */
    void resize(long token, BooleanSupplier resizes, Runnable change) {
        if (!held.isEachAtOnce()) {
            check(resizes);
            change.run();
            return;
        }
        while (!life.alone(() -> resized(token, resizes, change))) {
            luo.settle();
        }
    }

    /** Not, if LUO had to be told first to let the file go. */
    private boolean resized(long token, BooleanSupplier resizes, Runnable change) {
        check(resizes);
        if (!areFixed() && held.isHeld(token)) {
            held.loosen(token);
            return false;
        }
        try {
            change.run();
        } finally {
            if (!areFixed()) {
                hold(token);
            }
        }
        return true;
    }

    /** LUO has the file when this returns, if it is to have each at once. */
    void sync(long token) {
        if (held.isEachAtOnce() && !isSettled(token)) {
            luo.settle();
            life.alone(() -> {
                if (!life.hasEnded()) {
                    hold(token);
                }
            });
        }
    }

    private boolean isSettled(long token) {
        life.lockShared();
        try {
            return life.hasEnded() || held.isSettled(token);
        } finally {
            life.unlockShared();
        }
    }

    /**
     * LUO has the file when this returns, if it is to have each at once. The lock is held.
     *
     * @throws ErrnoException LUO's errno
     */
    void hold(long token) {
        try {
            held.hold(token);
        } catch (ErrnoException e) {
            String entry = "entry " + entries.tree().pathOf(token);
            life.failed(entry + " could not be handed to LUO: " + e.getMessage());
            throw new ErrnoException(e, entry);
        }
    }
}
