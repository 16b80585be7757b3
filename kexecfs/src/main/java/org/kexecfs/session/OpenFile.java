package org.kexecfs.session;

import jnr.constants.platform.linux.Errno;
import org.kexecfs.manifest.Node;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;

/**
 * An entry that somebody has open. Its bytes move under no lock of the session, by {@link #file}.
 *
 * <p>It has a descriptor of its own, so that it lives on when the entry is unlinked, or the session ends.
 */
public final class OpenFile implements AutoCloseable {
    private final Session session;
    private final Node opened;
    private final Fd file;

    OpenFile(Session session, Node opened, Fd file) {
        this.session = session;
        this.opened = opened;
        this.file = file;
    }

    /** The entry as it was when it was opened. */
    Node opened() {
        return opened;
    }

    /** The token of its entry. */
    public long token() {
        return opened.token();
    }

    /** The memory itself; closed with this. */
    public Fd file() {
        return file;
    }

    /**
     * Whether reads and writes must come through here for the state to be kept: where it does not let sizes change, and
     * no kernel's LUO sees to that.
     */
    public boolean isGuarded() {
        return session.guardsSizes();
    }

    /** What stat(2) shows; {@link Stat#links} is 0 once it has no name left. */
    public Stat stat() {
        return session.stat(this);
    }

    /**
     * Returns if {@code count} bytes may be written at {@code offset} of {@link #file}; who asks writes them then.
     *
     * @param append they go to the end, wherever that is by then (O_APPEND), and not to {@code offset}
     * @throws ErrnoException EPERM or EIO where the state does not let it grow; EACCES if the open file that was linked is
     *     for reading only
     */
    public void checkWrite(long count, long offset, boolean append) {
        requireWritable();
        session.checkResize(
                () -> count > 0 && (append || offset + count > file.status().size()));
    }

    /** ftruncate(2); errors as for {@link #checkWrite}. */
    public void truncate(long size) {
        requireWritable();
        session.checkResize(() -> size != file.status().size());
        file.truncate(size);
    }

    /** fallocate(2); errors as for {@link #checkWrite}. */
    public void allocate(int mode, long offset, long length) {
        requireWritable();
        session.checkResize(() -> offset + length > file.status().size());
        file.fallocate(mode, offset, length);
    }

    private void requireWritable() {
        if (opened.readOnly()) {
            throw new ErrnoException(Errno.EACCES, "the open file that was linked here was open for reading only");
        }
    }

    @Override
    public void close() {
        file.close();
    }
}
