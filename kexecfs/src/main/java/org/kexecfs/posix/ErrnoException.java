package org.kexecfs.posix;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.util.Arrays;
import java.util.Collections;
import java.util.Map;
import java.util.stream.Collectors;
import jnr.constants.platform.linux.Errno;

/**
 * A failure with an errno (errno(3)): what was tried, on what, and why it failed.
 *
 * <p>Thrown once, where the failure is seen; it becomes a negative errno in one place, the FUSE callbacks.
 */
public final class ErrnoException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private static final Map<Integer, Errno> BY_NUMBER = Collections.unmodifiableMap(Arrays.stream(Errno.values())
            // Some numbers have two names; these are the ones that strace and the contract do not use.
            .filter(e -> e != Errno.EWOULDBLOCK && e != Errno.EDEADLOCK && e != Errno.ENOTSUP)
            .collect(Collectors.toMap(Errno::intValue, e -> e, (first, second) -> first)));

    private final Errno errno;

    /**
     * A failure that a caller decides on, not the kernel.
     *
     * @param errno the reason, as a system call would give it
     * @param message the object, the cause and, where there is one, the next step; without the errno's name
     */
    public ErrnoException(Errno errno, String message) {
        super(message + ": " + errno.name() + " (" + errno.toString() + ")");
        this.errno = errno;
    }

    /**
     * The same failure, told with what was being done.
     *
     * @param cause the failure, whose errno is kept
     * @param context what was being done, and on what
     */
    public ErrnoException(ErrnoException cause, String context) {
        super(context + ": " + cause.getMessage(), cause);
        this.errno = cause.errno;
    }

    /**
     * The failure that libc's errno names.
     *
     * @param number errno's value, 1 or more
     * @param call the call and its argument, as {@code open(/dev/fuse)}
     */
    static ErrnoException of(int number, String call) {
        return new ErrnoException(errno(number), call);
    }

    /**
     * A failure of Java's own file operations, which name the errno in words only.
     *
     * @param failure EIO, if it has no such words
     * @param message as for {@link #ErrnoException(Errno, String)}
     */
    public static ErrnoException of(IOException failure, String message) {
        Errno errno = switch (failure) {
            case AccessDeniedException denied -> Errno.EACCES;
            case NoSuchFileException none -> Errno.ENOENT;
            case FileSystemException told ->
                BY_NUMBER.values().stream()
                        .filter(e -> e.toString().equals(told.getReason()))
                        .findFirst()
                        .orElse(Errno.EIO);
            default -> Errno.EIO;
        };
        return new ErrnoException(errno, message);
    }

    /**
     * Names an errno's number.
     *
     * @param number errno's value, 1 or more
     * @return its name; EIO for a number that this machine's libc has no name for
     */
    public static Errno errno(int number) {
        return BY_NUMBER.getOrDefault(number, Errno.EIO);
    }

    /** The errno, for those who answer a system call. */
    public Errno errno() {
        return errno;
    }

    /** Whether this failure is one of {@code errnos}. */
    public boolean is(Errno... errnos) {
        return Arrays.asList(errnos).contains(errno);
    }
}
