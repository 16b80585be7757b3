package org.kexecfs.fuse;

import jnr.constants.platform.linux.Errno;
import jnr.ffi.Pointer;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.session.Rename;

/**
 * renameat2(2), which libfuse 2 does not carry: the request is made the older FUSE_RENAME on its way in, and its flags
 * are kept for the operation that libfuse then calls on the same thread.
 *
 * <p>Of an exchange libfuse believes that the one name replaced the other; with no names cached, the kernel asks anew for
 * both, and open files are known by their handles.
 */
final class Rename2 {
    private static final int LENGTH = 0;
    private static final int OPCODE = 4;
    private static final int BODY = 40;
    private static final int FUSE_RENAME = 12;

    /** {u64 directory; u32 flags; u32 padding} comes before the names; in FUSE_RENAME {u64 directory}. */
    private static final int FLAGS = BODY + 8;

    private static final int NAMES = BODY + 16;
    private static final int OLD_NAMES = BODY + 8;

    private static final int RENAME_NOREPLACE = 1;
    private static final int RENAME_EXCHANGE = 2;

    private final ThreadLocal<Integer> flags = ThreadLocal.withInitial(() -> 0);

    /** A FUSE_RENAME2 comes in; it becomes a FUSE_RENAME. */
    void request(Pointer request) {
        flags.set(request.getInt(FLAGS));
        byte[] names = new byte[request.getInt(LENGTH) - NAMES];
        request.get(NAMES, names, 0, names.length);
        request.put(OLD_NAMES, names, 0, names.length);
        request.putInt(LENGTH, OLD_NAMES + names.length);
        request.putInt(OPCODE, FUSE_RENAME);
    }

    /**
     * How the rename that this thread answers is meant; asked once for each.
     *
     * @throws ErrnoException EINVAL for flags that mean nothing here
     */
    Rename asked() {
        int asked = flags.get();
        flags.remove();
        return switch (asked) {
            case 0 -> Rename.REPLACE;
            case RENAME_NOREPLACE -> Rename.NOREPLACE;
            case RENAME_EXCHANGE -> Rename.EXCHANGE;
            default -> throw new ErrnoException(Errno.EINVAL, "renameat2 flags 0x" + Integer.toHexString(asked));
        };
    }
}
