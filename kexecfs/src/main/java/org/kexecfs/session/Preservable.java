package org.kexecfs.session;

import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.FileStatus;

/**
 * Which open files LUO preserves: shared memory that no path leads to, that is memfds and unnamed files of a tmpfs
 * (mm/memfd_luo.c, memfd_luo_can_preserve).
 */
final class Preservable {
    private Preservable() {}

    /**
     * Returns if LUO can preserve {@code file}.
     *
     * @throws ErrnoException EOPNOTSUPP, with the reason, if it cannot
     */
    static void check(Fd file) {
        FileStatus status = file.status();
        if (!status.isRegular()) {
            throw refused("it is no regular file");
        }
        try {
            file.seals();
        } catch (ErrnoException e) {
            throw e.is(Errno.EINVAL) ? refused("it is no memory, neither a memfd nor a file of a tmpfs") : e;
        }
        if (status.links() != 0) {
            throw refused("it has a name in a tmpfs, and only memory without one can be preserved");
        }
        if (file.isHugetlb()) {
            throw refused("it is hugetlb memory");
        }
    }

    private static ErrnoException refused(String why) {
        return new ErrnoException(Errno.EOPNOTSUPP, "LUO cannot preserve this file: " + why);
    }
}
