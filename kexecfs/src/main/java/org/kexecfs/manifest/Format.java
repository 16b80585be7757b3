package org.kexecfs.manifest;

import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;

/**
 * The formats of a manifest that this build can write. A newer kexecfs that is to hand over to an older one writes the
 * older one's format; a format that an older reader cannot read is a new constant here.
 */
public enum Format {
    /** The first. */
    V1(1, 1);

    /** What is written unless another is asked for, and the newest that is fully understood. */
    public static final Format NEWEST = V1;

    private final int number;
    private final int oldestReader;

    Format(int number, int oldestReader) {
        this.number = number;
        this.oldestReader = oldestReader;
    }

    /**
     * The format with a number.
     *
     * @param number 1 or more
     * @throws ErrnoException EINVAL for one that this build cannot write
     */
    public static Format of(int number) {
        for (Format format : values()) {
            if (format.number == number) {
                return format;
            }
        }
        throw new ErrnoException(
                Errno.EINVAL, "manifest format " + number + ", and this kexecfs writes 1 to " + NEWEST.number);
    }

    /** Its number, in the manifest's header. */
    public int number() {
        return number;
    }

    /** The newest format of the oldest kexecfs that understands this one. */
    public int oldestReader() {
        return oldestReader;
    }
}
