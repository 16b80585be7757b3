package org.kexecfs.fuse;

import java.util.Arrays;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.session.EntryPath;

/** What a client of kexecfs.sock asks for: doc/protocol.md, version 1. */
sealed interface SocketRequest {
    /** Longest request and answer, in bytes: a verb, and a path (PATH_MAX). */
    int LONGEST = 4096 + 64;

    /**
     * {@code 1 preserve NAME}, with a descriptor.
     *
     * @param path the name
     */
    record Preserve(EntryPath path) implements SocketRequest {}

    /**
     * {@code 1 open r NAME} or {@code 1 open rw NAME}.
     *
     * @param path the name
     * @param write whether the descriptor is to be written, too
     */
    record Open(EntryPath path, boolean write) implements SocketRequest {}

    /**
     * Reads a request.
     *
     * @throws ErrnoException EPROTONOSUPPORT for another version; EINVAL for what is no request; ENAMETOOLONG for a name in
     *     the path of more than 255 bytes
     */
    static SocketRequest parse(byte[] text) {
        if (text.length < 2 || text[1] != ' ') {
            throw malformed();
        }
        if (text[0] != '1') {
            throw new ErrnoException(Errno.EPROTONOSUPPORT, "this is version 1 of the protocol");
        }
        if (startsWith(text, "1 preserve ")) {
            return new Preserve(path(text, 11));
        }
        if (startsWith(text, "1 open r ")) {
            return new Open(path(text, 9), false);
        }
        if (startsWith(text, "1 open rw ")) {
            return new Open(path(text, 10), true);
        }
        throw malformed();
    }

    private static boolean startsWith(byte[] text, String verb) {
        byte[] bytes = verb.getBytes(java.nio.charset.StandardCharsets.US_ASCII);
        return text.length > bytes.length && Arrays.equals(text, 0, bytes.length, bytes, 0, bytes.length);
    }

    private static EntryPath path(byte[] text, int from) {
        EntryPath path = EntryPath.of(Arrays.copyOfRange(text, from, text.length));
        if (path.isRoot()) {
            throw malformed();
        }
        return path;
    }

    private static ErrnoException malformed() {
        return new ErrnoException(Errno.EINVAL, "a request is: 1 preserve NAME, 1 open r NAME or 1 open rw NAME");
    }
}
