package org.kexecfs.luo;

import java.util.Objects;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;

/** Assertions for the contract, which runs in guests that have no JUnit. */
final class Check {
    private Check() {}

    static void equal(Object expected, Object actual, String what) {
        that(Objects.equals(expected, actual), what + ": expected " + expected + ", was " + actual);
    }

    static void that(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    /** That {@code call} fails with {@code errno}; returns the message. */
    static String fails(Errno errno, Runnable call) {
        try {
            call.run();
        } catch (ErrnoException e) {
            equal(errno, e.errno(), e.getMessage());
            return e.getMessage();
        }
        throw new AssertionError("expected " + errno.name() + ", but it succeeded");
    }
}
