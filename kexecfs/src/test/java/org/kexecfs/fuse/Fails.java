package org.kexecfs.fuse;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import jnr.constants.platform.linux.Errno;
import org.junit.jupiter.api.function.Executable;
import org.kexecfs.posix.ErrnoException;

/** That a call fails, and how. */
final class Fails {
    private Fails() {}

    /** That {@code call} fails with {@code errno}; returns its message. */
    static String with(Errno errno, Executable call) {
        ErrnoException e = assertThrows(ErrnoException.class, call);
        assertEquals(errno, e.errno(), e.getMessage());
        return e.getMessage();
    }
}
