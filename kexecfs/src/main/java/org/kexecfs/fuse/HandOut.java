package org.kexecfs.fuse;

import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.FileStatus;

/** A file's memory, as a descriptor for somebody who may read it, or read and write it. */
final class HandOut {
    private static final int WRITE_BITS_OF_OTHERS = 022;

    private HandOut() {}

    /**
     * The entry's very open file, with its position and flags.
     *
     * @param file the entry's
     * @throws ErrnoException EACCES if it is not open for reading and writing
     */
    static Fd readWrite(Fd file) {
        if ((file.flags() & Fd.O_ACCMODE) != Fd.O_RDWR) {
            throw new ErrnoException(Errno.EACCES, "the open file that was linked is not open for reading and writing");
        }
        return file.dup();
    }

    /**
     * An open file of its own that can only be read, at the same position.
     *
     * <p>Whoever has it can open /proc/self/fd/N again, and then the memory's own permission bits count, which for a memfd
     * are 0777. So its group and others lose the right to write. Its owner, who made the memory, keeps it: that cannot be
     * taken from it.
     *
     * @param file the entry's
     * @throws ErrnoException EACCES if it is open for writing only; EPERM if the memory's bits are not ours to change
     */
    static Fd readOnly(Fd file) {
        if ((file.flags() & Fd.O_ACCMODE) == Fd.O_WRONLY) {
            throw new ErrnoException(Errno.EACCES, "the open file that was linked is open for writing only");
        }
        FileStatus status = file.status();
        if ((status.mode() & WRITE_BITS_OF_OTHERS) != 0) {
            file.chmod(status.mode() & 07777 & ~WRITE_BITS_OF_OTHERS);
        }
        Fd fresh = file.reopen(Fd.O_RDONLY);
        try {
            fresh.position(file.position());
            return fresh;
        } catch (RuntimeException e) {
            fresh.close();
            throw e;
        }
    }
}
