package org.kexecfs.fuse;

import org.kexecfs.posix.Time;
import org.kexecfs.session.Stat;

/**
 * Owner and mode of the control files: who may drive the state machine.
 *
 * @param uid owner
 * @param gid group
 * @param writeMode permission bits of those that are written; only the write bits count
 * @param since when the mount was made: their times
 */
record ControlAttributes(int uid, int gid, int writeMode, Time since) {
    private static final int READ = 0444;
    private static final int WRITE_BITS = 0222;

    /**
     * Whose a control file is, and who may do what with it: kexecfs.preserve makes names in the root, so whoever may write
     * to the root may write to it.
     *
     * @param root the session's root, as it is now
     */
    Permissions of(ControlFile file, Stat root) {
        if (file == ControlFile.PRESERVE) {
            return new Permissions(root.uid(), root.gid(), root.mode() & WRITE_BITS);
        }
        return new Permissions(uid, gid, file.isCommand() ? writeMode & WRITE_BITS : READ);
    }
}
