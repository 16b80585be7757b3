package org.kexecfs.session;

import jnr.constants.platform.linux.Errno;
import jnr.ffi.Pointer;
import org.kexecfs.manifest.Node;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;

/**
 * An entry that somebody has open: bytes in and out, under no lock of the session.
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

    /** pread(2): bytes read, 0 at the end. */
    public long read(Pointer buffer, long count, long offset) {
        return file.pread(buffer, count, offset);
    }

    /**
     * pwrite(2).
     *
     * @param append write at the end, wherever that is by then (O_APPEND), and not at {@code offset}
     * @return bytes written
     * @throws ErrnoException EPERM or EIO where the state does not let it grow; EACCES, EPERM, ENOSPC, EFBIG
     */
    public long write(Pointer buffer, long count, long offset, boolean append) {
        requireWritable();
        if (append) {
            session.checkResize(() -> count > 0);
            return file.append(buffer, count);
        }
        session.checkResize(() -> offset + count > file.status().size());
        return file.pwrite(buffer, count, offset);
    }

    /** ftruncate(2); errors as for {@link #write}. */
    public void truncate(long size) {
        requireWritable();
        session.checkResize(() -> size != file.status().size());
        file.truncate(size);
    }

    /** fallocate(2); errors as for {@link #write}. */
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
