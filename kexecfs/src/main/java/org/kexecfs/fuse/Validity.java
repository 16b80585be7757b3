package org.kexecfs.fuse;

import jnr.ffi.Pointer;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * How long the kernel may take attributes for true that it was told: those of the root until its clock has ticked, all others
 * not at all, for whoever has a file open may change it, and {@code self} is another file to each caller.
 *
 * <p>The root is changed through this mount, which the kernel sees, and asks anew; or by what is written to a control file, an
 * ioctl or a message to the socket, of which it is told before they are answered ({@link #changed}). For that, a path costs no
 * request for the root, whose permissions the kernel checks each time.
 *
 * <p>libfuse 2 has one time for all, so its replies are completed (linux/fuse.h).
 */
final class Validity {
    private static final Logger log = LoggerFactory.getLogger(Validity.class);

    private static final long ROOT = 1;

    /** What is valid at all is valid for a tick: the kernel rounds up. */
    private static final int NANOSECONDS = 1;

    /** struct fuse_attr_out {u64 seconds; u32 nanoseconds; u32; struct fuse_attr}. */
    private static final int ATTR_OUT_NANOSECONDS = 8;

    /** {u32 length; s32 what; u64 0} and struct fuse_notify_inval_inode_out {u64 node; s64 offset, length}. */
    private static final int SIZE_OF_NOTICE = 40;

    private static final int NOTIFY_INVAL_INODE = 2;
    private static final int ATTRIBUTES_ONLY = -1;

    private final Fd device;
    private final Pointer notice = Fd.allocate(SIZE_OF_NOTICE);

    /**
     * @param device the mount's /dev/fuse
     */
    Validity(Fd device) {
        this.device = device;
        notice.putInt(0, SIZE_OF_NOTICE);
        notice.putInt(4, NOTIFY_INVAL_INODE);
        notice.putLong(16, ROOT);
        notice.putLong(24, ATTRIBUTES_ONLY);
    }

    /**
     * Completes the reply to FUSE_GETATTR.
     *
     * @param node that was asked for
     * @param reply struct fuse_attr_out, changed in place
     */
    void completeGetattr(long node, Pointer reply) {
        if (node == ROOT) {
            reply.putInt(ATTR_OUT_NANOSECONDS, NANOSECONDS);
        }
    }

    /** The root may have changed in a way that the kernel does not see: when this returns, it asks for it anew. */
    void changed() {
        try {
            device.write(notice, SIZE_OF_NOTICE);
        } catch (ErrnoException e) {
            // The mount has ended.
            log.debug("{}", e.getMessage());
        }
    }
}
