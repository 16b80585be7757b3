package org.kexecfs.session;

import java.util.Collection;
import java.util.function.Consumer;
import org.kexecfs.keep.KeptLiveUpdate;
import org.kexecfs.luo.LiveUpdate;
import org.kexecfs.luo.LiveUpdateSession;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;

/**
 * LUO has nothing before prepare, and then everything, in one session of its own.
 *
 * <p>LUO cannot be asked to give up one file of many: taking back is closing its session and opening a new one of
 * the same name.
 */
final class AtPrepare implements Preserved {
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

    @Override
    public void reserve() {
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

    /** LUO has all of what was prepared to its end; what was not is taken back. */
    @Override
    public void tidy(KeptLiveUpdate found, boolean prepared) {
        found.closeFound(part -> !prepared && part.holds(MANIFEST));
    }

    @Override
    public boolean resume(KeptLiveUpdate found, Fd manifest) {
        session = found.found(name).orElse(null);
        holding = session != null && session.holds(MANIFEST);
        return holding;
    }

    @Override
    public void cancel() {
        close();
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
