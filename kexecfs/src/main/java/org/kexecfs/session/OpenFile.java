package org.kexecfs.session;

import java.util.function.LongSupplier;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.manifest.Node;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;

/**
 * An entry that somebody has open. Its bytes, {@link #file}, are read under no lock of the session, and written under
 * none unless LUO may have the file meanwhile ({@link Sizes}).
 *
 * <p>It has a descriptor of its own, so that it lives on when the entry is unlinked, or the session ends.
 */
public final class OpenFile implements AutoCloseable {
    private final Session session;
    private final Sizes sizes;
    private final Node opened;
    private final Fd file;
    private final boolean writable;

    OpenFile(Session session, Sizes sizes, Node opened, Fd file, boolean writable) {
        this.session = session;
        this.sizes = sizes;
        this.opened = opened;
        this.file = file;
        this.writable = writable;
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
     * Whether writes must come through {@link #write}, and reads with them: where the state does not let sizes change and
     * no kernel's LUO sees to that, and where LUO's must be asked to let them change.
     */
    public boolean isGuarded() {
        return sizes.areGuarded() || awaitsLuo();
    }

    /** Whether its close must wait for {@link #sync}. */
    public boolean awaitsLuo() {
        return writable && sizes.awaitLuo();
    }

    /** What stat(2) shows; {@link Stat#links} is 0 once it has no name left. */
    public Stat stat() {
        return session.stat(this);
    }

    /**
     * write(2).
     *
     * @param count bytes
     * @param offset where they go
     * @param append they go to the end, wherever that is by then (O_APPEND), and not to {@code offset}
     * @param write writes them to {@link #file}
     * @return what {@code write} does
     * @throws ErrnoException EPERM or EIO where the state does not let it grow; EACCES if the open file that was linked is
     *     for reading only; what {@code write} throws
     */
    public long write(long count, long offset, boolean append, LongSupplier write) {
        requireWritable();
        return sizes.write(
                token(),
                () -> count > 0 && (append || offset + count > file.status().size()),
                write);
    }

    /** ftruncate(2); errors as for {@link #write}, and LUO's of {@link #sync}. */
    public void truncate(long size) {
        requireWritable();
        sizes.resize(token(), () -> size != file.status().size(), () -> file.truncate(size));
    }

    /** fallocate(2); errors as for {@link #truncate}. */
    public void allocate(int mode, long offset, long length) {
        requireWritable();
        sizes.resize(token(), () -> offset + length > file.status().size(), () -> file.fallocate(mode, offset, length));
    }

    private void requireWritable() {
        if (opened.readOnly()) {
            throw new ErrnoException(Errno.EACCES, "the open file that was linked here was open for reading only");
        }
    }

    /**
     * What close(2) and fsync(2) wait for: in a session that hands over each file at once, that LUO has this one.
     *
     * @throws ErrnoException LUO's errno, and it does not: ENOMEM, EBUSY, ENOSPC for the manifest
     */
    public void sync() {
        sizes.sync(token());
    }

    @Override
    public void close() {
        file.close();
    }
}
