package org.kexecfs.session;

import java.util.Collection;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;

/** The limits of a session, {@code nr_inodes=} and {@code size=}. Guarded by the session's lock. */
final class Limits {
    /** So many entries are counted at each change without anyone noticing. */
    private static final int MANY = 64;

    /** Of more, they are counted when one in so many has come since. */
    private static final int SHARE = 8;

    private final Settings settings;

    /** What the files took when they were last counted, with what was let in since; and how many files that was. */
    private long lastBytes;

    private int letInSince;

    Limits(Settings settings) {
        this.settings = settings;
    }

    /**
     * Lets one more in.
     *
     * @param present what there is, and the root, which does not count
     * @param size of the new one, in bytes
     * @throws ErrnoException ENOSPC if that is too many, or too much
     */
    void letIn(Collection<Entry> present, long size) {
        if (settings.inodes() != 0 && present.size() > settings.inodes()) {
            throw new ErrnoException(Errno.ENOSPC, "nr_inodes=" + settings.inodes() + " are used");
        }
        if (settings.size() != 0 && size != 0 && !fits(present, size)) {
            throw new ErrnoException(Errno.ENOSPC, size + " bytes more than size=" + settings.size() + " allows");
        }
    }

    /**
     * Whether files of {@code size} bytes more are within the limit. To ask each file for its size whenever one comes would
     * be asking n² times; so where there are many, most of those that come are added to the last count, and nobody is
     * refused by that.
     */
    private boolean fits(Collection<Entry> present, long size) {
        boolean countIsFresh = present.size() >= MANY && letInSince < present.size() / SHARE;
        if (!countIsFresh || lastBytes + size > settings.size()) {
            lastBytes = bytes(present);
            letInSince = 0;
        }
        lastBytes += size;
        letInSince++;
        return lastBytes <= settings.size();
    }

    /** What files take, in bytes. */
    static long bytes(Collection<Entry> files) {
        return files.stream().mapToLong(Entry::size).sum();
    }
}
