package org.kexecfs.session;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.keep.KeptLiveUpdate;
import org.kexecfs.luo.LiveUpdate;
import org.kexecfs.luo.LiveUpdateSession;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;

/**
 * What the kernel before left of a session, in one LUO session or in many, as {@link AtPrepare} or {@link AtLink} there
 * handed it over.
 *
 * <p>Everything stays LUO's until {@link #finish}. Closing it frees what was not retrieved.
 */
final class Incoming implements AutoCloseable {
    /** Tokens that tell a session of someone else's, without a manifest, from one that preserved nothing. */
    private static final int PROBED_TOKENS = 4096;

    private final LiveUpdate luo;
    private final String name;

    /** What has the session's own name: everything, or nothing and only keeps the name. */
    private final LiveUpdateSession whole;

    /** By name. */
    private final Map<String, LiveUpdateSession> parts = new HashMap<>();

    private Incoming(LiveUpdate luo, String name, LiveUpdateSession whole) {
        this.luo = luo;
        this.name = name;
        this.whole = whole;
    }

    /**
     * Retrieves a session.
     *
     * @return empty if the kernel before left none of that name
     * @throws ErrnoException as {@link LiveUpdate#retrieveSession}, ENOENT excepted
     */
    static Optional<Incoming> retrieve(LiveUpdate luo, String name) {
        try {
            return Optional.of(new Incoming(luo, name, luo.retrieveSession(name)));
        } catch (ErrnoException e) {
            return orNothing(e);
        }
    }

    /**
     * The same, after another process of this kernel had retrieved it: with everything that is open of it.
     *
     * @return empty if it is closed already, or there never was one
     */
    static Optional<Incoming> resume(KeptLiveUpdate luo, String name) {
        try {
            Optional<Incoming> incoming = retrieve(luo, name);
            incoming.ifPresent(it -> luo.foundIncoming().stream()
                    .filter(part -> part.startsWith(name + "/"))
                    .forEach(it::part));
            return incoming;
        } catch (ErrnoException e) {
            // It was of no use before: the session is failed.
            if (e.is(Errno.EIO)) {
                return Optional.empty();
            }
            throw e;
        }
    }

    private static <T> Optional<T> orNothing(ErrnoException e) {
        if (e.is(Errno.ENOENT)) {
            return Optional.empty();
        }
        throw e;
    }

    /**
     * Its manifests: one, or two if it was moving, or none; the caller's to close.
     *
     * @throws ErrnoException if there is one and none can be had
     */
    List<Fd> manifests() {
        List<LiveUpdateSession> sessions = new ArrayList<>(List.of(whole));
        for (String part : AtLink.manifestParts(name)) {
            part(part).ifPresent(sessions::add);
        }
        List<Fd> found = new ArrayList<>();
        Optional<ErrnoException> failure = Optional.empty();
        for (LiveUpdateSession session : sessions) {
            try {
                found.add(session.retrieve(Preserved.MANIFEST));
            } catch (ErrnoException e) {
                failure = e.is(Errno.ENOENT) ? failure : Optional.of(e);
            }
        }
        if (found.isEmpty() && failure.isPresent()) {
            throw failure.get();
        }
        return found;
    }

    /** Whether there is a file, for who has no manifest to know of one. */
    boolean holdsAnything() {
        for (long token = 1; token <= PROBED_TOKENS; token++) {
            try {
                whole.retrieve(token).close();
                return true;
            } catch (ErrnoException e) {
                if (!e.is(Errno.ENOENT)) {
                    return true;
                }
            }
        }
        return false;
    }

    /**
     * The file under a token.
     *
     * @throws ErrnoException ENOENT if there is none; another errno if it cannot be had
     */
    Fd get(long token) {
        try {
            return whole.retrieve(token);
        } catch (ErrnoException e) {
            if (e.is(Errno.ENOENT)) {
                return part(AtLink.part(name, token)).orElseThrow(() -> e).retrieve(token);
            }
            throw e;
        }
    }

    private Optional<LiveUpdateSession> part(String part) {
        if (!parts.containsKey(part)) {
            try {
                parts.put(part, luo.retrieveSession(part));
            } catch (ErrnoException e) {
                return orNothing(e);
            }
        }
        return Optional.of(parts.get(part));
    }

    /**
     * Ends LUO's hold.
     *
     * @throws ErrnoException EBUSY if LUO cannot finish yet; it can be tried again
     */
    void finish() {
        whole.finish();
        parts.values().forEach(LiveUpdateSession::finish);
    }

    @Override
    public void close() {
        parts.values().forEach(LiveUpdateSession::close);
        whole.close();
    }
}
