package org.kexecfs.posix;

import java.util.function.IntSupplier;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import jnr.constants.platform.linux.Errno;

/** Turns libc's -1 and errno into an {@link ErrnoException}, and repeats what a signal interrupted. */
final class Syscall {
    private Syscall() {}

    /**
     * Makes a call whose result is an int.
     *
     * @param call the call
     * @param told the call and its argument, asked for only on failure
     * @return what it returned, not negative
     * @throws ErrnoException with the call's errno
     */
    static int check(IntSupplier call, Supplier<String> told) {
        return (int) checkLong(call::getAsInt, told);
    }

    /** {@link #check} for a call whose result is a long. */
    static long checkLong(LongSupplier call, Supplier<String> told) {
        while (true) {
            long result = call.getAsLong();
            if (result >= 0) {
                return result;
            }
            if (!isInterrupted(result)) {
                throw failed(told.get());
            }
        }
    }

    /**
     * Whether a call is to be made again. This and {@link #failed} are for the few calls that are made for each request to a
     * mount: to make two objects for {@link #check} costs as much as the shortest of them.
     *
     * @param result what it returned
     */
    static boolean isInterrupted(long result) {
        return result < 0 && Libc.RUNTIME.getLastError() == Errno.EINTR.intValue();
    }

    /** The failure of the last call, with its errno. */
    static ErrnoException failed(String told) {
        return ErrnoException.of(Libc.RUNTIME.getLastError(), told);
    }
}
