package org.kexecfs.session;

import java.util.List;
import org.kexecfs.manifest.Change;
import org.kexecfs.manifest.Manifest;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The tree of a session and the manifest that records it: each change is in the manifest before it is in the tree, so
 * that a kill in between loses what nobody was told of.
 *
 * <p>The manifest is a log, and made anew, shorter, when that is worth it or when LUO has it and no room is left in it.
 * Guarded by the session's lock.
 */
final class Journal implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(Journal.class);

    /** Room in the manifest for what is recorded while LUO has frozen its size, if the manifest is not longer. */
    private static final long FROZEN_ROOM = 64 * 1024;

    private final Tree tree;
    private final Preserved preserved;
    private final Kept kept;
    private Manifest manifest;

    Journal(Recovery recovery, Preserved preserved, Kept kept) {
        this.tree = recovery.tree();
        this.manifest = recovery.manifest();
        this.preserved = preserved;
        this.kept = kept;
    }

    /** Its tree; changed by {@link #commit} only. */
    Tree tree() {
        return tree;
    }

    /** The file of the manifest. */
    Fd manifest() {
        return manifest.memfd();
    }

    /** A token that no entry had before. */
    long allocateToken() {
        return manifest.allocateToken();
    }

    /** A token above those of all entries that there are. */
    long nextToken() {
        return manifest.nextToken();
    }

    /** The manifest is on the shelf when this returns. */
    void keep() {
        kept.manifest(manifest.memfd(), () -> {});
    }

    /**
     * Records changes, then makes them. The log is made shorter before and not after: what was recorded last must be there
     * for as long as LUO has not followed it.
     *
     * @throws ErrnoException ENOSPC and others of write(2): nothing is changed
     */
    void commit(List<Change> changes) {
        long size = preserved.holds(Preserved.MANIFEST) ? Manifest.sizeOf(changes) : 0;
        if (manifest.worthCompacting() || size > 0 && manifest.room() < size) {
            compact(size);
        }
        manifest.append(changes);
        changes.forEach(tree::apply);
    }

    /** Makes room for what will be recorded while LUO has the manifest, whose size stands still then. */
    void reserveRoom() {
        reserveRoom(manifest, 0);
    }

    /**
     * Makes the manifest shorter.
     *
     * @param size what must be recorded next, if LUO has the manifest and its size stands still; else 0
     */
    private void compact(long size) {
        try {
            Manifest old = manifest;
            manifest = shorter(size);
            old.close();
        } catch (ErrnoException e) {
            if (size > 0 && manifest.room() < size) {
                throw e;
            }
            // The longer log will do until the next time.
            log.warn("the manifest could not be made shorter: {}", e.getMessage());
        }
    }

    private Manifest shorter(long size) {
        Manifest fresh = manifest.compacted(tree.snapshot());
        try {
            if (size > 0) {
                reserveRoom(fresh, size);
            }
            Fd memfd = fresh.memfd();
            kept.manifest(memfd, () -> preserved.replaceManifest(memfd));
            return fresh;
        } catch (RuntimeException e) {
            fresh.close();
            throw e;
        }
    }

    /** As much as is in it: so making it anew costs no more, in the long run, than what is recorded. */
    private static void reserveRoom(Manifest manifest, long least) {
        manifest.reserve(Math.max(FROZEN_ROOM, manifest.length()) + least);
    }

    @Override
    public void close() {
        manifest.close();
    }
}
