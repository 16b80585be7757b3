package org.kexecfs.session;

import java.util.Collection;
import java.util.Optional;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.luo.LiveUpdate;
import org.kexecfs.luo.LiveUpdateSession;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What LUO holds of a session.
 *
 * <p>LUO cannot be asked to give up one file of many: taking back is closing its session and opening a new one of
 * the same name. Guarded by the session's lock.
 */
final class Preserved implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(Preserved.class);

    /** LUO's token of the manifest. */
    static final long MANIFEST = 0;

    private final LiveUpdate luo;
    private final String name;

    /** The outgoing session, or the incoming one until it is finished; null if LUO would not give us one. */
    private LiveUpdateSession session;

    Preserved(LiveUpdate luo, String name) {
        this.luo = luo;
        this.name = name;
    }

    /**
     * The incoming session of this name, if the kernel before left one; it is ours until {@link #accept}.
     *
     * @throws ErrnoException as {@link LiveUpdate#retrieveSession}, ENOENT excepted
     */
    Optional<LiveUpdateSession> retrieve() {
        try {
            session = luo.retrieveSession(name);
            return Optional.of(session);
        } catch (ErrnoException e) {
            if (e.is(Errno.ENOENT)) {
                return Optional.empty();
            }
            throw e;
        }
    }

    /**
     * Takes the session's name, if it is not ours yet.
     *
     * @throws ErrnoException as {@link LiveUpdate#createSession}
     */
    void reserve() {
        if (session == null) {
            session = luo.createSession(name);
        }
    }

    /**
     * Hands everything to LUO, or nothing.
     *
     * @param manifest goes under token 0
     * @param entries go under their own tokens, in this order
     * @throws ErrnoException LUO's errno; nothing is held then. {@link EntryRefused} names the entry
     */
    void handOver(Fd manifest, Collection<Entry> entries) {
        reserve();
        try {
            session.preserve(manifest, MANIFEST);
            for (Entry entry : entries) {
                preserve(entry);
            }
        } catch (RuntimeException e) {
            takeBack();
            throw e;
        }
    }

    private void preserve(Entry entry) {
        try {
            entry.file().ifPresent(file -> session.preserve(file, entry.token()));
        } catch (ErrnoException e) {
            throw new EntryRefused(entry.token(), e);
        }
    }

    /** Takes everything back. The name is ours again unless someone else was faster; then the next prepare says so. */
    void takeBack() {
        close();
        try {
            reserve();
        } catch (ErrnoException e) {
            log.warn("session {}: its name could not be taken again: {}", name, e.getMessage());
        }
    }

    /**
     * Ends LUO's hold on what was restored, and takes the name for the next update.
     *
     * @throws ErrnoException EBUSY if LUO cannot finish yet: nothing was finished
     */
    void accept() {
        if (session != null) {
            session.finish();
        }
        takeBack();
    }

    /** Lets LUO's session go: what it holds is un-preserved, or finished. */
    @Override
    public void close() {
        if (session != null) {
            session.close();
            session = null;
        }
    }

    /** Whether LUO is the emulation. */
    boolean emulated() {
        return luo.emulated();
    }

    @Override
    public String toString() {
        return luo.toString();
    }
}
