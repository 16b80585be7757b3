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

    /** As env(1) and shells have it: the command that was to be run is there, but cannot be run. */
    static final int CANNOT_BE_RUN = 126;

    /** There is no such command. */
    static final int NOT_FOUND = 127;

    private Exit() {}

    /** The code for a command that was to be run, and why it could not be. */
    static int ofCommand(Errno failure) {
        return failure == Errno.ENOENT ? NOT_FOUND : CANNOT_BE_RUN;
    }

    /** The code for a failed system call. */
    static int of(Errno failure) {
        return switch (failure) {
            case EBUSY -> BUSY;
            case EPERM, EACCES -> NOT_PERMITTED;
            default -> FAILED;
        };
    }
}
