package org.kexecfs.session;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.manifest.Name;
import org.kexecfs.posix.ErrnoException;

/**
 * The way from a session's root to an entry.
 *
 * @param names one a component; none for the root
 */
public record EntryPath(List<Name> names) {
    public static final EntryPath ROOT = new EntryPath(List.of());

    public EntryPath {
        names = List.copyOf(names);
    }

    /**
     * Reads a path.
     *
     * @param path components between slashes; a slash before the first or after the last means nothing
     * @throws ErrnoException ENAMETOOLONG or EINVAL for a component that is no name
     */
    public static EntryPath of(byte[] path) {
        List<Name> names = new ArrayList<>();
        int start = 0;
        for (int i = 0; i <= path.length; i++) {
            if (i == path.length || path[i] == '/') {
                if (i > start) {
                    names.add(Name.of(Arrays.copyOfRange(path, start, i)));
                }
                start = i + 1;
            }
        }
        return new EntryPath(names);
    }

    /** {@link #of(byte[])} of a text's UTF-8. */
    public static EntryPath of(String path) {
        return of(path.getBytes(java.nio.charset.StandardCharsets.UTF_8));
    }

    /** Whether this is the root. */
    public boolean isRoot() {
        return names.isEmpty();
    }

    /** The last name; EBUSY for the root, which has none and cannot be made, moved or removed. */
    public Name name() {
        if (isRoot()) {
            throw new ErrnoException(Errno.EBUSY, "the root of a session");
        }
        return names.getLast();
    }

    /** The directory that the last name is in. */
    public EntryPath parent() {
        name();
        return new EntryPath(names.subList(0, names.size() - 1));
    }

    /** The path of a name in this directory. */
    public EntryPath child(Name name) {
        List<Name> longer = new ArrayList<>(names);
        longer.add(name);
        return new EntryPath(longer);
    }

    /** Whether {@code other} is this directory or lies below it. */
    public boolean contains(EntryPath other) {
        return other.names.size() >= names.size()
                && other.names.subList(0, names.size()).equals(names);
    }

    @Override
    public String toString() {
        return names.stream().map(Name::toString).collect(Collectors.joining("/"));
    }
}
