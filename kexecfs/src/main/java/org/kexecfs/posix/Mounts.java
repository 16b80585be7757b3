package org.kexecfs.posix;

import static org.kexecfs.posix.Libc.C;
import static org.kexecfs.posix.Syscall.check;

import java.nio.file.Path;

/** Putting mounts into the hierarchy and taking them out of it. */
public final class Mounts {
    private static final int MOVE_MOUNT_F_EMPTY_PATH = 0x04;
    private static final int MOVE_MOUNT_T_EMPTY_PATH = 0x40;
    private static final int MNT_DETACH = 2;
    private static final int UMOUNT_NOFOLLOW = 8;

    private Mounts() {}

    /**
     * Attaches a detached mount (move_mount(2)).
     *
     * @param mount what {@link FsContext#mount} returned
     * @param directory the mount point, opened: what it is cannot change between a check and this
     */
    public static void attach(Fd mount, Fd directory) {
        check(
                () -> C.move_mount(
                        mount.number(),
                        "",
                        directory.number(),
                        "",
                        MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH),
                () -> "move_mount");
    }

    /**
     * umount2(2) of the topmost mount at {@code directory}; a symbolic link is not followed.
     *
     * @throws ErrnoException EBUSY while something uses it, EINVAL if nothing is mounted there, EPERM
     */
    public static void unmount(Path directory) {
        umount(directory, UMOUNT_NOFOLLOW);
    }

    /** {@link #unmount}, out of sight at once, ended with its last user (MNT_DETACH). */
    public static void detach(Path directory) {
        umount(directory, UMOUNT_NOFOLLOW | MNT_DETACH);
    }

    private static void umount(Path directory, int flags) {
        check(() -> C.umount2(directory.toString(), flags), () -> "umount(" + directory + ")");
    }
}
