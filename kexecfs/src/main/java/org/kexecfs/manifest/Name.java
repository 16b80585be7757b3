package org.kexecfs.manifest;

import java.nio.charset.StandardCharsets;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;

/**
 * The name of an entry: one component of a path, 1 to {@value Bounds#NAME} bytes with no {@code /} and no NUL, and
 * neither {@code .} nor {@code ..}. It need not be UTF-8. Immutable; compared by its bytes.
 */
public final class Name implements Comparable<Name> {
    private static final Bytes DOT = Bytes.of(".");
    private static final Bytes DOT_DOT = Bytes.of("..");

    private final Bytes bytes;

    private Name(Bytes bytes) {
        this.bytes = bytes;
    }

    /**
     * The name with these bytes.
     *
     * @throws ErrnoException ENAMETOOLONG for more than {@value Bounds#NAME} bytes, EINVAL for what is no name
     */
    public static Name of(byte[] bytes) {
        if (bytes.length > Bounds.NAME) {
            throw new ErrnoException(
                    Errno.ENAMETOOLONG, "a name of " + bytes.length + " bytes, and " + Bounds.NAME + " are the most");
        }
        Bytes name = Bytes.of(bytes);
        if (name.isEmpty() || name.contains('/') || name.contains(0) || name.equals(DOT) || name.equals(DOT_DOT)) {
            throw new ErrnoException(Errno.EINVAL, "'" + name + "' is no name");
        }
        return new Name(name);
    }

    /** The name whose UTF-8 is {@code text}; errors as for {@link #of(byte[])}. */
    public static Name of(String text) {
        return of(text.getBytes(StandardCharsets.UTF_8));
    }

    /** A copy of the name's bytes. */
    public byte[] bytes() {
        return bytes.toArray();
    }

    @Override
    public int compareTo(Name other) {
        return bytes.compareTo(other.bytes);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Name that && bytes.equals(that.bytes);
    }

    @Override
    public int hashCode() {
        return bytes.hashCode();
    }

    /** The name as {@code kexecfs.files} shows it: see {@link Bytes#toString()}. */
    @Override
    public String toString() {
        return bytes.toString();
    }
}
