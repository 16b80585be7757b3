package org.kexecfs.fuse;

import jnr.ffi.Pointer;
import org.kexecfs.posix.FileStatus;

/**
 * How long the kernel may take attributes for true that it was told: those of a directory of the session until its clock has
 * ticked, all others not at all, for whoever has a file open may change it, and {@code self} is another file to each caller.
 *
 * <p>A directory is changed through this mount, which the kernel sees and asks anew, but for the files that are put into it by
 * {@code kexecfs.preserve}, the socket and the ioctls: its times, which are no finer than a tick anyway, may be seen one or
 * two ticks late then. For that, a path costs no request more for each directory on it, whose permissions the kernel checks.
 *
 * <p>libfuse 2 has one time for all, so its replies are completed (linux/fuse.h).
 */
final class Validity {
    /** What is valid at all is valid for a tick: the kernel rounds up. */
    private static final int NANOSECONDS = 1;

    /** struct fuse_attr_out {u64 seconds; u32 nanoseconds; u32; struct fuse_attr}. */
    private static final int ATTR_OUT_NANOSECONDS = 8;

    private static final int ATTR_OUT_ATTR = 16;

    /** struct fuse_entry_out {u64 node, generation, entry_seconds, seconds; u32 entry_nanoseconds, nanoseconds; struct fuse_attr}. */
    private static final int ENTRY_OUT_NODE = 0;

    private static final int ENTRY_OUT_NANOSECONDS = 36;
    private static final int ENTRY_OUT_ATTR = 40;

    private static final int ATTR_INODE = 0;
    private static final int ATTR_MODE = 60;

    private Validity() {}

    /** Completes the reply to FUSE_GETATTR. */
    static void completeGetattr(Pointer reply) {
        if (isDirectoryOfSession(reply, ATTR_OUT_ATTR)) {
            reply.putInt(ATTR_OUT_NANOSECONDS, NANOSECONDS);
        }
    }

    /** Completes the reply to FUSE_LOOKUP. */
    static void completeLookup(Pointer reply) {
        if (reply.getLong(ENTRY_OUT_NODE) != 0 && isDirectoryOfSession(reply, ENTRY_OUT_ATTR)) {
            reply.putInt(ENTRY_OUT_NANOSECONDS, NANOSECONDS);
        }
    }

    private static boolean isDirectoryOfSession(Pointer reply, int attributes) {
        return (reply.getInt(attributes + ATTR_MODE) & FileStatus.S_IFMT) == FileStatus.S_IFDIR
                && Shown.isOfSession(reply.getLong(attributes + ATTR_INODE));
    }
}
