package org.kexecfs.tool;

import jnr.constants.platform.linux.Errno;

/** What a command returns to the shell: for scripts, so a number once given keeps its meaning. */
final class Exit {
    static final int OK = 0;
    static final int FAILED = 1;
    static final int USAGE = 2;
    static final int NOT_MOUNTED = 3;
    static final int BUSY = 4;
    static final int NOT_PERMITTED = 5;

    private Exit() {}

    /** The code for a failed system call. */
    static int of(Errno failure) {
        return switch (failure) {
            case EBUSY -> BUSY;
            case EPERM, EACCES -> NOT_PERMITTED;
            default -> FAILED;
        };
    }
}
