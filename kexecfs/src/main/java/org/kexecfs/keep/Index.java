package org.kexecfs.keep;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;

/**
 * What the descriptors of a keeper are, for who finds them without it: a file in memory with a place for each number. A place is written
 * by one pwrite(2) within a page, so a kill leaves it as it was or as it was to be.
 *
 * <pre>
 * 0                what is about to be retrieved from LUO: the name that it will have, and the session's, a line each
 * 4096 + 256 * N   the name of descriptor N
 * </pre>
 *
 * A text ends at a NUL; an empty one is none.
 */
final class Index {
    /** The descriptor of the keeper's lock. No file that is parked has such a name. */
    static final String LOCK = ":lock";

    /** The connection of the daemon that is served. */
    static final String DAEMON = ":daemon";

    private static final String NAME = "kexecfs-index";
    private static final int NAMES = 4096;
    private static final int LENGTH = 256;

    /** Names that are read at once. */
    private static final int SOME = 4096;

    private final Fd file;

    private Index(Fd file) {
        this.file = file;
    }

    static Index create() {
        return new Index(Fd.memfd(NAME));
    }

    /**
     * Another's.
     *
     * @param file its descriptor: the index's from here on, and closed if this fails
     * @throws ErrnoException ENOENT if it is none
     */
    static Index of(Fd file) {
        String path = file.path().toString();
        if (!path.startsWith("/memfd:" + NAME)) {
            file.close();
            throw new ErrnoException(Errno.ENOENT, path + " is no keeper's index");
        }
        return new Index(file);
    }

    /** The number of its own descriptor. */
    int number() {
        return file.number();
    }

    /** That descriptor is called so from now on. */
    void put(Fd descriptor, String name) {
        write(name, NAMES + (long) LENGTH * descriptor.number(), LENGTH);
    }

    /** That descriptor is nothing any more. To be said before it is closed. */
    void clear(Fd descriptor) {
        put(descriptor, "");
    }

    /** The names, by descriptor. */
    Map<Integer, String> names() {
        Map<Integer, String> names = new TreeMap<>();
        byte[] some = new byte[SOME * LENGTH];
        int first = 0;
        int read = file.pread(some, NAMES);
        while (read > 0) {
            for (int at = 0; at + LENGTH <= read; at += LENGTH) {
                if (some[at] != 0) {
                    names.put(first + at / LENGTH, text(Arrays.copyOfRange(some, at, at + LENGTH)));
                }
            }
            first += SOME;
            read = file.pread(some, NAMES + (long) LENGTH * first);
        }
        return names;
    }

    /** A session of LUO that is to be retrieved. */
    record Intent(String name, String session) {}

    /** From now on there may be a descriptor that has no name yet, and is this. */
    void intend(Intent intent) {
        write(intent.name() + "\n" + intent.session(), 0, NAMES);
    }

    /** It has its name, or there is none. */
    void intendNothing() {
        write("", 0, NAMES);
    }

    Optional<Intent> intent() {
        byte[] bytes = new byte[NAMES];
        file.pread(bytes, 0);
        String[] lines = text(bytes).split("\n", 2);
        return lines.length == 2 ? Optional.of(new Intent(lines[0], lines[1])) : Optional.empty();
    }

    private void write(String text, long at, int length) {
        file.pwrite(Arrays.copyOf(Fd.utf8(text), length), at);
    }

    private static String text(byte[] padded) {
        String text = new String(padded, StandardCharsets.UTF_8);
        return text.substring(0, text.indexOf('\0'));
    }

    void close() {
        file.close();
    }
}
