package org.kexecfs.posix;

import static org.kexecfs.posix.Libc.C;
import static org.kexecfs.posix.Syscall.check;

import jnr.ffi.Pointer;

/**
 * Where an open directory is in the tree of mounts (statx(2)).
 *
 * @param mount the number of the mount that it is in, as in proc_pid_mountinfo(5)
 * @param isRoot whether it is that mount's root: something is mounted there
 */
public record MountPoint(long mount, boolean isRoot) {
    private static final int AT_EMPTY_PATH = 0x1000;
    private static final int AT_STATX_DONT_SYNC = 0x4000;
    private static final int STATX_MNT_ID = 0x1000;
    private static final int SIZE_OF_STATX = 256;
    private static final long STATX_ATTR_MOUNT_ROOT = 0x2000;

    /** Asks without asking the filesystem, which may be dead, or hostile. */
    public static MountPoint of(Fd directory) {
        Pointer status = Fd.allocate(SIZE_OF_STATX);
        check(
                () -> C.statx(directory.number(), "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, status),
                () -> "statx(" + directory + ")");
        return new MountPoint(status.getLong(144), (status.getLong(8) & STATX_ATTR_MOUNT_ROOT) != 0);
    }
}
