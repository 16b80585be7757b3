package org.kexecfs.posix;

import static org.kexecfs.posix.Libc.C;
import static org.kexecfs.posix.Syscall.check;

/**
 * A tmpfs of our own that is mounted nowhere: its unnamed files are memory with limits that the kernel keeps.
 *
 * <p>LUO preserves such files as it does memfds (mm/memfd_luo.c: shmem files with no link left).
 */
public final class Tmpfs implements AutoCloseable {
    private static final int O_TMPFILE = 0x410000;

    private final Fd root;

    private Tmpfs(Fd root) {
        this.root = root;
    }

    /**
     * Makes one.
     *
     * @param size its limit in bytes, rounded up to pages; 0 for none
     * @param inodes how many files it may have; 0 for no limit
     * @throws ErrnoException EPERM without CAP_SYS_ADMIN
     */
    public static Tmpfs create(long size, long inodes) {
        try (FsContext context = FsContext.open("tmpfs")) {
            // The root directory is an inode, too.
            context.set("size", Long.toString(size)).set("nr_inodes", Long.toString(inodes == 0 ? 0 : inodes + 1));
            context.set("mode", "0700");
            return new Tmpfs(context.mount(FsContext.MOUNT_ATTR_NOSUID | FsContext.MOUNT_ATTR_NODEV));
        }
    }

    /** Takes over the root of one that was made before, by whatever process. */
    public static Tmpfs of(Fd root) {
        return new Tmpfs(root);
    }

    /** Its root directory: it lives as long as a descriptor of that, or a file in it. Closed with this. */
    public Fd root() {
        return root;
    }

    /**
     * A new empty file with no name (open(2), O_TMPFILE).
     *
     * @throws ErrnoException ENOSPC past the limit of files
     */
    public Fd createFile() {
        return Fd.own(check(
                () -> C.openat(root.number(), ".", O_TMPFILE | Fd.O_RDWR | Fd.O_CLOEXEC, 0600),
                () -> "open(O_TMPFILE)"));
    }

    /** Lets the tmpfs go; files that are open live on. */
    @Override
    public void close() {
        root.close();
    }
}
