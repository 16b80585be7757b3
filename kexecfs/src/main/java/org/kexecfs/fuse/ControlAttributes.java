package org.kexecfs.fuse;

import org.kexecfs.posix.Time;

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

    /** Permission bits of a control file. */
    int mode(ControlFile file) {
        return file.isCommand() ? writeMode & WRITE_BITS : READ;
    }
}
