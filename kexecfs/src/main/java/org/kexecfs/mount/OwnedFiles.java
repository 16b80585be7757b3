package org.kexecfs.mount;

import org.kexecfs.posix.Fd;
import org.kexecfs.posix.FileId;
import org.kexecfs.session.Ownership;

/**
 * The files of one session, known to every kexecfs of this host: each is a locked byte of one file that all share, so that the
 * kernel forgets them with the process, however it ends.
 */
public final class OwnedFiles implements Ownership, AutoCloseable {
    /** Memory is on devices without a major number; 20 bits of minor and 43 of inode make one offset of 63. */
    private static final int INODE_BITS = 43;

    private static final long INODE = (1L << INODE_BITS) - 1;
    private static final long MINOR = 0xfffff;

    private final Fd locks;

    private OwnedFiles(Fd locks) {
        this.locks = locks;
    }

    /**
     * Those of a session that begins: none.
     *
     * @throws org.kexecfs.posix.ErrnoException EACCES if the run time directory cannot be made; EMFILE
     */
    public static OwnedFiles open() {
        String path =
                RuntimeDirectory.make(RuntimeDirectory.path()).resolve("files").toString();
        return new OwnedFiles(Fd.open(path, Fd.O_RDWR | Fd.O_CREAT, 0600));
    }

    @Override
    public boolean take(FileId file) {
        return locks.tryLockByte(offset(file));
    }

    @Override
    public void release(FileId file) {
        locks.unlockByte(offset(file));
    }

    private static long offset(FileId file) {
        return (file.device() & MINOR) << INODE_BITS | file.inode() & INODE;
    }

    /** Gives all of them up. */
    @Override
    public void close() {
        locks.close();
    }
}
