package org.kexecfs.posix;

import static org.kexecfs.posix.Libc.C;
import static org.kexecfs.posix.Syscall.check;

import java.nio.file.Path;
import jnr.ffi.Pointer;

/** Putting mounts into the hierarchy and taking them out of it. */
public final class Mounts {
    private static final int MOVE_MOUNT_F_EMPTY_PATH = 0x04;
    private static final int MOVE_MOUNT_T_EMPTY_PATH = 0x40;
    private static final int MOVE_MOUNT_BENEATH = 0x200;
    private static final int OPEN_TREE_CLONE = 1;
    private static final int AT_EMPTY_PATH = 0x1000;
    private static final int SIZE_OF_MOUNT_ATTR = 32;
    private static final long MS_PRIVATE = 1 << 18;
    private static final int MNT_FORCE = 1;
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
        move(mount, directory, 0);
    }

    /**
     * Attaches a detached mount in the place of another: at no moment is there nothing mounted.
     *
     * @param mount what {@link FsContext#mount} returned
     * @param other the root of a mount, opened
     * @throws ErrnoException EINVAL if nothing can be mounted beneath that one, or by this kernel (before Linux 6.5)
     */
    public static void replace(Fd mount, Fd other) {
        replace(mount, other, "/proc/");
    }

    /**
     * {@link #replace(Fd, Fd)}, from where {@code /proc} may be another's.
     *
     * @param proc the path of our own, with a slash at its end; empty for the working directory
     */
    static void replace(Fd mount, Fd other, String proc) {
        move(mount, other, MOVE_MOUNT_BENEATH);
        detach(other, proc);
    }

    private static void move(Fd mount, Fd to, int flags) {
        check(
                () -> C.move_mount(
                        mount.number(), "", to.number(), "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH | flags),
                () -> "move_mount");
    }

    /**
     * Another mount of the same filesystem, which is nowhere, can be written to, and takes part in no propagation
     * (open_tree(2) with OPEN_TREE_CLONE, mount_setattr(2)).
     *
     * @param mount the root of a mount that is attached in our mount namespace
     * @return the new mount's root: while it is open, or something uses it, it lives
     */
    public static Fd duplicate(Fd mount) {
        return copy(mount, 0, FsContext.MOUNT_ATTR_RDONLY);
    }

    /**
     * A bind mount that is nowhere yet: another mount of the same filesystem, read-only if the first is, which takes part in no
     * propagation.
     *
     * @param mount the root of a mount that is attached in our mount namespace
     * @return the new mount's root: while it is open, and for as long as it is attached, it lives
     */
    public static Fd bind(Fd mount) {
        return copy(mount, 0, 0);
    }

    /**
     * {@link #bind(Fd)} of any directory or file in a mount.
     *
     * @param file opened as a path
     * @param readOnly whether it is to be read-only also if the mount is not
     * @param noexec likewise
     */
    public static Fd bind(Fd file, boolean readOnly, boolean noexec) {
        return copy(file, (readOnly ? FsContext.MOUNT_ATTR_RDONLY : 0) | (noexec ? FsContext.MOUNT_ATTR_NOEXEC : 0), 0);
    }

    private static Fd copy(Fd mount, long set, long cleared) {
        Fd duplicate = Fd.own(check(
                () -> C.open_tree(mount.number(), "", OPEN_TREE_CLONE | Fd.O_CLOEXEC | AT_EMPTY_PATH),
                () -> "open_tree"));
        try {
            // struct mount_attr: {u64 attr_set, attr_clr, propagation, userns_fd}
            Pointer attributes = Fd.allocate(SIZE_OF_MOUNT_ATTR);
            attributes.putLong(0, set);
            attributes.putLong(8, cleared);
            attributes.putLong(16, MS_PRIVATE);
            check(
                    () -> C.mount_setattr(duplicate.number(), "", AT_EMPTY_PATH, attributes, SIZE_OF_MOUNT_ATTR),
                    () -> "mount_setattr");
            return duplicate;
        } catch (RuntimeException e) {
            duplicate.close();
            throw e;
        }
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

    /** {@link #detach(Path)} of this very mount, whatever else is there. */
    public static void detach(Fd root) {
        detach(root, "/proc/");
    }

    /** {@link #detach(Fd)}, from where {@code /proc} may be another's, as {@link #replace(Fd, Fd, String)}. */
    static void detach(Fd root, String proc) {
        umount(Path.of(proc + "self/fd/" + root.number()), MNT_DETACH);
    }

    /** {@link #detach(Path)}, and the filesystem itself ends, as far as it can (MNT_FORCE): of FUSE, every request fails from then on. */
    public static void abort(Path directory) {
        umount(directory, UMOUNT_NOFOLLOW | MNT_FORCE | MNT_DETACH);
    }

    private static void umount(Path directory, int flags) {
        check(() -> C.umount2(directory.toString(), flags), () -> "umount(" + directory + ")");
    }
}
