package org.kexecfs.keep;

import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Predicate;
import java.util.function.Supplier;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.luo.LiveUpdate;
import org.kexecfs.luo.LiveUpdateSession;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A LUO whose sessions are on a shelf from the moment that they are there until they are closed here. LUO ends a session
 * with its last descriptor, and frees what was not retrieved: so nothing is done with one before it is parked.
 *
 * <p>Those that were found on the shelf are given by {@link #retrieveSession} if they are incoming, and by {@link #found} if they are
 * outgoing. What nobody asked for is closed by {@link #closeFound}.
 *
 * <p>A session that is closed here ends when the keeper has closed it, too. That is not waited for by {@link
 * LiveUpdateSession#close} if the keeper is systemd ({@link Keep#drop}), but by whoever needs the session's name, or its files, next: {@link
 * #settle}, without a lock. Where that could not be done before, what LUO refuses is tried again after a moment.
 */
public final class KeptLiveUpdate implements LiveUpdate {
    private static final Logger log = LoggerFactory.getLogger(KeptLiveUpdate.class);

    private static final String PREFIX = "luo.";

    /** How long a keeper may take to close a session that it was told to release. */
    private static final Duration PATIENCE = Duration.ofMinutes(1);

    /** The same, while a lock may be held that the keeper waits for. */
    private static final Duration MOMENT = Duration.ofSeconds(2);

    private final LiveUpdate luo;
    private final Shelf shelf;
    private final Map<String, LiveUpdateSession> incoming = new TreeMap<>();
    private final Map<String, LiveUpdateSession> outgoing = new TreeMap<>();
    private long last;

    /**
     * Takes up what is on the shelf.
     *
     * @param luo the LUO itself
     * @param shelf where its sessions are kept
     */
    public KeptLiveUpdate(LiveUpdate luo, Shelf shelf) {
        this.luo = luo;
        this.shelf = shelf;
        shelf.found().forEach((what, fd) -> {
            if (what.startsWith(PREFIX)) {
                takeUp(what, fd);
            }
        });
    }

    private void takeUp(String what, Fd fd) {
        last = Math.max(last, Long.parseLong(what.substring(PREFIX.length())));
        try {
            LiveUpdateSession session = new KeptSession(luo.adopt(fd), what);
            (session.isIncoming() ? incoming : outgoing).put(session.name(), session);
        } catch (ErrnoException e) {
            log.info("a session of LUO that was kept is of no use any more: {}", e.getMessage());
            shelf.release(what);
            fd.close();
        }
    }

    /** An outgoing session that was found; it is the caller's from here on. */
    public synchronized Optional<LiveUpdateSession> found(String name) {
        return Optional.ofNullable(outgoing.remove(name));
    }

    /** Closes outgoing sessions that were found. */
    public synchronized void closeFound(Predicate<LiveUpdateSession> which) {
        outgoing.values().removeIf(session -> {
            boolean closes = which.test(session);
            if (closes) {
                session.close();
            }
            return closes;
        });
    }

    /**
     * Returns when the sessions that were closed here have ended, also where they were kept: their names are free, and so
     * are their files. Not for who has a lock that requests to a mount need.
     *
     * @throws ErrnoException EAGAIN if the keeper does not answer
     */
    public void settle() {
        shelf.awaitDropped(PREFIX, PATIENCE);
    }

    /** Names of the outgoing sessions that were found and not asked for yet. */
    public synchronized Set<String> foundNames() {
        return Set.copyOf(outgoing.keySet());
    }

    /** Names of the incoming sessions that were found and not asked for yet. */
    public synchronized Set<String> foundIncoming() {
        return Set.copyOf(incoming.keySet());
    }

    /** Closes what was found, and not asked for. */
    public synchronized void closeFound() {
        incoming.values().forEach(LiveUpdateSession::close);
        incoming.clear();
        outgoing.values().forEach(LiveUpdateSession::close);
        outgoing.clear();
    }

    @Override
    public synchronized LiveUpdateSession createSession(String name) {
        found(name).ifPresent(LiveUpdateSession::close);
        LiveUpdateSession session = again(Errno.EEXIST, () -> luo.createSession(name));
        try {
            return parked(session);
        } catch (ErrnoException e) {
            session.close();
            throw e;
        }
    }

    /** What LUO refuses like this it may refuse because of a session that is about to end. */
    private <T> T again(Errno refusal, Supplier<T> call) {
        try {
            return call.get();
        } catch (ErrnoException e) {
            if (!e.is(refusal) || !haveEnded(e)) {
                throw e;
            }
            return call.get();
        }
    }

    /** Whether there were sessions that were about to end, and have. */
    private boolean haveEnded(ErrnoException refusal) {
        try {
            return shelf.awaitDropped(PREFIX, MOMENT);
        } catch (ErrnoException e) {
            throw new ErrnoException(refusal, "what was closed before is not yet closed everywhere: " + e.getMessage());
        }
    }

    @Override
    public synchronized LiveUpdateSession retrieveSession(String name) {
        LiveUpdateSession found = incoming.remove(name);
        if (found != null) {
            return found;
        }
        String what = next();
        return new KeptSession(again(Errno.EINVAL, () -> luo.inTurn(() -> shelf.retrieve(what, luo, name))), what);
    }

    private String next() {
        last++;
        return PREFIX + last;
    }

    private LiveUpdateSession parked(LiveUpdateSession session) {
        String what = next();
        shelf.park(what, session.fd());
        return new KeptSession(session, what);
    }

    @Override
    public LiveUpdateSession adopt(Fd fd) {
        return luo.adopt(fd);
    }

    @Override
    public <T> T inTurn(Supplier<T> opens) {
        return luo.inTurn(opens);
    }

    @Override
    public String kernel() {
        return luo.kernel();
    }

    @Override
    public boolean emulated() {
        return luo.emulated();
    }

    @Override
    public String toString() {
        return luo.toString();
    }

    /** A session that is on the shelf until it is closed. */
    private final class KeptSession implements LiveUpdateSession {
        private final LiveUpdateSession session;
        private final String what;
        private boolean closed;

        private KeptSession(LiveUpdateSession session, String what) {
            this.session = session;
            this.what = what;
        }

        @Override
        public String name() {
            return session.name();
        }

        @Override
        public void preserve(Fd file, long token) {
            again(Errno.EBUSY, () -> {
                session.preserve(file, token);
                return token;
            });
        }

        @Override
        public Fd retrieve(long token) {
            return session.retrieve(token);
        }

        @Override
        public void finish() {
            session.finish();
        }

        @Override
        public Fd fd() {
            return session.fd();
        }

        @Override
        public void close() {
            synchronized (KeptLiveUpdate.this) {
                if (closed) {
                    return;
                }
                closed = true;
                try {
                    // Before ours, which so is the last descriptor, if that can be.
                    shelf.drop(what);
                } catch (ErrnoException e) {
                    log.warn("{} could not be released, and may live on: {}", session, e.getMessage());
                }
                session.close();
            }
        }

        @Override
        public String toString() {
            return session.toString();
        }
    }
}
