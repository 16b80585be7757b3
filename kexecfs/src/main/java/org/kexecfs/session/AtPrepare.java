package org.kexecfs.session;

import java.util.Collection;
import java.util.function.Consumer;
import org.kexecfs.keep.KeptLiveUpdate;
import org.kexecfs.luo.LiveUpdate;
import org.kexecfs.luo.LiveUpdateSession;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * LUO has nothing before prepare, and then everything, in one session of its own.
 *
 * <p>LUO cannot be asked to give up one file of many: taking back is closing its session and opening a new one of
 * the same name.
 */
final class AtPrepare implements Preserved {
    private static final Logger log = LoggerFactory.getLogger(AtPrepare.class);

    private final LiveUpdate luo;
    private final String name;

    /** LUO's session; null if LUO would not give us one. */
    private LiveUpdateSession session;

    private boolean holding;

    AtPrepare(LiveUpdate luo, String name) {
        this.luo = luo;
        this.name = name;
    }

    @Override
    public boolean isEachAtOnce() {
        return false;
    }

    @Override
    public void begin(Fd manifest) {
        reserve();
    }

    private void reserve() {
        if (session == null) {
            session = luo.createSession(name);
        }
    }

    @Override
    public void replaceManifest(Fd manifest) {
        // Nothing is recorded while LUO has it.
    }

    @Override
    public boolean holds(long token) {
        return holding;
    }

    @Override
    public void hold(Entry entry) {
        // All at prepare.
    }

    @Override
    public void letGo(long token) {
        // All at cancel.
    }

    @Override
    public void prepare(Fd manifest, Collection<Entry> entries, Consumer<EntryRefused> onRefusal) {
        reserve();
        try {
            session.preserve(manifest, MANIFEST);
            for (Entry entry : entries) {
                preserve(entry, onRefusal);
            }
            holding = true;
        } catch (RuntimeException e) {
            cancel();
            throw e;
        }
    }

    private void preserve(Entry entry, Consumer<EntryRefused> onRefusal) {
        try {
            entry.file().ifPresent(file -> session.preserve(file, entry.token()));
        } catch (ErrnoException e) {
            onRefusal.accept(new EntryRefused(entry.token(), e));
        }
    }

    /** Only what was prepared to its end: then LUO has it all. */
    @Override
    public boolean resume(KeptLiveUpdate found, Fd manifest) {
        session = found.found(name).orElse(null);
        holding = session != null && session.holds(MANIFEST);
        return holding;
    }

    /** Takes everything back. The name is ours again unless someone else was faster; then the next prepare says so. */
    @Override
    public void cancel() {
        close();
        try {
            reserve();
        } catch (ErrnoException e) {
            log.warn("session {}: its name could not be taken again: {}", name, e.getMessage());
        }
    }

    @Override
    public void close() {
        holding = false;
        if (session != null) {
            session.close();
            session = null;
        }
    }
}
