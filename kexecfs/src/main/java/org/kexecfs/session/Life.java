package org.kexecfs.session;

import java.util.List;
import java.util.Locale;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.locks.ReentrantLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Consumer;
import java.util.function.Supplier;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.keep.Shelf;
import org.kexecfs.posix.ErrnoException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Where a session is in its life, and the locks that all of it is under, in this order:
 *
 * <ol>
 *   <li>{@code turn} is held from a transition's beginning to its end, and for the session's end, so that they come one after the
 *       other.
 *   <li>{@code lock} guards everything but the bytes of files: reads share it, changes have it alone. It is taken before those of
 *       {@link org.kexecfs.luo.LiveUpdate} and {@link org.kexecfs.keep.Keep}.
 * </ol>
 *
 * <p>systemd, which may keep our files and then must close what LUO is to let go of, may be waiting for a request to a mount: so it
 * is waited for under {@code turn}, which no such request needs but those that begin a transition, and never under {@code lock}
 * ({@link org.kexecfs.keep.KeptLiveUpdate#settle}). Listeners are called under neither.
 */
final class Life {
    private static final Logger log = LoggerFactory.getLogger(Life.class);

    private final String name;
    private final Shelf shelf;
    private final ReentrantLock turn = new ReentrantLock();
    private final ReentrantReadWriteLock lock = new ReentrantReadWriteLock();
    private final List<Runnable> listeners = new CopyOnWriteArrayList<>();
    private boolean ended;

    private volatile State state;
    private volatile String error;

    /**
     * It begins.
     *
     * @param name the session's
     * @param shelf where its files are kept
     * @param error what went wrong before, in words; empty if nothing did
     */
    Life(String name, Shelf shelf, State state, String error) {
        this.name = name;
        this.shelf = shelf;
        this.state = state;
        this.error = error;
    }

    String name() {
        return name;
    }

    State state() {
        return state;
    }

    String error() {
        return error;
    }

    /** Something failed, told in words, and the state is what it was. */
    void failed(String why) {
        error = why;
    }

    void onStateChange(Runnable listener) {
        listeners.add(listener);
    }

    // ---- under the lock

    <T> T reading(Supplier<T> what) {
        lockShared();
        try {
            requireGoingOn();
            return what.get();
        } finally {
            unlockShared();
        }
    }

    <T> T changing(Operation operation, Supplier<T> what) {
        return alone(() -> {
            requireGoingOn();
            StateTable.check(state, operation);
            return what.get();
        });
    }

    /** {@link #reading}, of what may be a little old if the lock is not to be had soon. */
    <T> LastKnown<T> lastKnown(Supplier<T> what) {
        return new LastKnown<>(lock.readLock(), () -> {
            requireGoingOn();
            return what.get();
        });
    }

    /** With the lock, whether the session has ended or not. */
    <T> T alone(Supplier<T> what) {
        lock.writeLock().lock();
        try {
            return what.get();
        } finally {
            lock.writeLock().unlock();
            // Whoever keeps our files is waited for now, if need be, and not before: it may ask for them.
            if (!lock.isWriteLockedByCurrentThread()) {
                shelf.catchUp();
            }
        }
    }

    /** {@link #alone(Supplier)}. */
    void alone(Runnable what) {
        alone(() -> {
            what.run();
            return null;
        });
    }

    /** Takes the shared half of the lock. */
    void lockShared() {
        lock.readLock().lock();
    }

    /** After {@link #lockShared}. */
    void unlockShared() {
        lock.readLock().unlock();
    }

    private void requireGoingOn() {
        if (ended) {
            throw new ErrnoException(Errno.EIO, "session " + name + " has ended");
        }
    }

    // ---- from state to state

    /** With the turn: no transition is under way, and none begins but here. */
    void inTurn(Runnable what) {
        turn.lock();
        try {
            what.run();
        } finally {
            turn.unlock();
        }
    }

    /**
     * Goes along the table's arrow, if there is one, and tells whoever listens.
     *
     * @param go does the arrow's work, and {@link #reach reaches} its end
     * @throws ErrnoException the table's errno, or that of {@code go}; {@link #error} says it, too
     */
    void transition(Operation operation, Consumer<StateTable.Go> go) {
        turn.lock();
        State before = state;
        try {
            requireGoingOn();
            StateTable.check(state, operation);
            if (StateTable.answer(state, operation) instanceof StateTable.Go arrow) {
                go.accept(arrow);
            }
        } catch (ErrnoException e) {
            error = operation.name().toLowerCase(Locale.ROOT) + ": " + e.getMessage();
            throw e;
        } finally {
            boolean changed = state != before;
            turn.unlock();
            if (changed) {
                log.info("session {}: {}", name, state);
                listeners.forEach(Runnable::run);
            }
        }
    }

    /** This is the state from now on, and nothing is wrong. The lock is held. */
    void reach(State reached) {
        state = reached;
        error = "";
    }

    /** {@link State#PREPARED} is reached past the table, on the way down, and what was wrong is so still. The lock is held. */
    void prepared() {
        state = State.PREPARED;
    }

    /** Asked with the turn, or with the lock. */
    boolean hasEnded() {
        return ended;
    }

    /** It ends, in turn. Again is nothing. */
    void end(Runnable how) {
        inTurn(() -> alone(() -> {
            if (!ended) {
                ended = true;
                how.run();
            }
        }));
    }
}
