package org.kexecfs.luo;

import java.nio.file.Path;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.FileStatus;

/** What the kernel's only handler does with a file, mm/memfd_luo.c, done from outside the kernel. */
final class Memory {
    // MEMFD_LUO_ALL_SEALS: F_SEAL_SEAL, SHRINK, GROW, WRITE, FUTURE_WRITE, EXEC.
    private static final int KNOWN_SEALS = 0x3f;
    private static final long MAX_SIZE = 0xffffffffL * 4096;
    private static final int BLOCK = 512;

    private Memory() {}

    /**
     * Whether the handler takes the file (can_preserve): memory of tmpfs, and no name.
     *
     * @return what statx(2) says of it
     * @throws ErrnoException ENOENT it does not; EBADF
     */
    static FileStatus checkType(Fd file) {
        try {
            file.seals();
        } catch (ErrnoException e) {
            throw e.is(Errno.EINVAL) ? noHandler("it is not memory") : e;
        }
        FileStatus status = file.status();
        if (file.isHugetlb()) {
            throw noHandler("it is memory of huge pages");
        }
        if (status.links() != 0) {
            throw noHandler("it is a tmpfs file with a name");
        }
        return status;
    }

    private static ErrnoException noHandler(String why) {
        return new ErrnoException(Errno.ENOENT, "LUO cannot preserve this type of file, " + why);
    }

    /**
     * The rest of what the handler asks for when a file is preserved, and the filling of the holes.
     *
     * @throws ErrnoException EOPNOTSUPP, EFBIG; ENOSPC, ENOMEM for the holes
     */
    static void preserve(Fd file, FileStatus status) {
        if ((file.seals() & ~KNOWN_SEALS) != 0) {
            throw new ErrnoException(Errno.EOPNOTSUPP, "seals that LUO does not know");
        }
        if (status.size() > MAX_SIZE) {
            throw new ErrnoException(Errno.EFBIG, status.size() + " bytes");
        }
        // The kernel needs no writable descriptor for it, we do; without one the holes stay, and read as zeros all the
        // same.
        if ((file.flags() & Fd.O_ACCMODE) != Fd.O_RDONLY) {
            fill(file, status);
        }
    }

    /** A file without holes is left alone: its time would be another for a moment, and whoever is killed in that would leave it so. */
    private static void fill(Fd file, FileStatus status) {
        if (status.blocks() * BLOCK < status.size()) {
            file.fallocate(0, 0, status.size());
            setModified(file, status);
        }
    }

    /** fallocate(2) moves the time, the kernel's own filling does not. */
    private static void setModified(Fd file, FileStatus status) {
        try {
            file.setTimes(null, status.modified());
        } catch (ErrnoException e) {
            // Another user's file, which we may write but not date.
            return;
        }
    }

    /**
     * Takes a file over from a process that has it open: reads what LUO keeps of it, and writes its contents out.
     *
     * @param open where it is open
     * @param file what was noted of it when it was preserved
     * @param contents a file to be made
     * @throws ErrnoException ENOENT the process has closed it; EACCES it is another user's; EPERM the size has changed;
     *     ENOSPC
     */
    static IncomingFile freeze(Descriptor open, OutgoingFile file, Path contents) {
        try (Fd source = Fd.open(open.path(), Fd.O_RDONLY, 0)) {
            FileStatus status = source.status();
            if (!status.id().equals(file.id())) {
                throw new ErrnoException(Errno.ENOENT, open + " was closed");
            }
            checkSize(open, file.size(), status.size());
            IncomingFile frozen = new IncomingFile(file.size(), open.position(), source.seals());
            try (Fd copy = Fd.open(contents.toString(), Fd.O_WRONLY | Fd.O_CREAT | Fd.O_EXCL, 0600)) {
                checkSize(open, file.size(), copy.copyFrom(source, file.size()));
            }
            return frozen;
        }
    }

    private static void checkSize(Descriptor open, long frozen, long size) {
        if (size != frozen) {
            throw new ErrnoException(
                    Errno.EPERM,
                    open + " was preserved with " + frozen + " bytes and has " + size
                            + " now: LUO would have frozen its size, which the emulation cannot");
        }
    }

    /**
     * Makes the file anew (retrieve): memory without holes.
     *
     * @throws ErrnoException EIO what was kept is damaged; EOPNOTSUPP seals that LUO does not know; ENOSPC, ENOMEM
     */
    static Fd restore(IncomingFile kept, Path contents) {
        if ((kept.seals() & ~KNOWN_SEALS) != 0) {
            throw new ErrnoException(Errno.EOPNOTSUPP, "seals that LUO does not know");
        }
        Fd file = Fd.memfd("");
        try (Fd source = Fd.open(contents.toString(), Fd.O_RDONLY, 0)) {
            long size = source.status().size();
            if (size != kept.size() || file.copyFrom(source, size) != size) {
                throw new ErrnoException(Errno.EIO, contents + " is damaged");
            }
            file.position(kept.position());
            file.addSeals(kept.seals());
            return file;
        } catch (ErrnoException e) {
            file.close();
            throw e.is(Errno.ENOENT) ? new ErrnoException(Errno.EIO, contents + " is missing") : e;
        }
    }
}
