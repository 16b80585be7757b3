package org.kexecfs.keep;

import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.locks.LockSupport;
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
 */
public final class KeptLiveUpdate implements LiveUpdate {
    private static final Logger log = LoggerFactory.getLogger(KeptLiveUpdate.class);

    private static final String PREFIX = "luo.";

    /** How long a keeper may take to close a session that it was told to release. */
    private static final Duration PATIENCE = Duration.ofSeconds(2);

    private static final Duration WAIT = Duration.ofMillis(5);

    private final LiveUpdate luo;
    private final Shelf shelf;
    private final Map<String, LiveUpdateSession> incoming = new TreeMap<>();
    private final Map<String, LiveUpdateSession> outgoing = new TreeMap<>();
    private long last;

    /** When a session was closed last, by System.nanoTime. */
    private long lastRelease = System.nanoTime() - PATIENCE.toNanos();

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
        LiveUpdateSession session = created(name);
        try {
            return parked(session);
        } catch (ErrnoException e) {
            session.close();
            throw e;
        }
    }

    private LiveUpdateSession created(String name) {
        while (true) {
            try {
                return luo.createSession(name);
            } catch (ErrnoException e) {
                // systemd closes what it drops when it comes to it.
                boolean mayPass = e.is(Errno.EEXIST) && System.nanoTime() - lastRelease < PATIENCE.toNanos();
                if (!mayPass) {
                    throw e;
                }
                LockSupport.parkNanos(WAIT.toNanos());
            }
        }
    }

    @Override
    public synchronized LiveUpdateSession retrieveSession(String name) {
        LiveUpdateSession found = incoming.remove(name);
        if (found != null) {
            return found;
        }
        String what = next();
        return new KeptSession(luo.inTurn(() -> shelf.retrieve(what, luo, name)), what);
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
            session.preserve(file, token);
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
                    // Ours is to be the last descriptor.
                    shelf.release(what);
                    shelf.settle(PATIENCE);
                } catch (ErrnoException e) {
                    log.warn("{} could not be released, and may live on: {}", session, e.getMessage());
                }
                session.close();
                lastRelease = System.nanoTime();
            }
        }

        @Override
        public String toString() {
            return session.toString();
        }
    }
}
