package org.kexecfs.luo;

import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;

/**
 * A session's name in LUO: 1 to 63 bytes of UTF-8, no NUL, not {@code .} or {@code ..}. The kernel itself asks only for
 * the length. A session of kexecfs has no {@code /} in its name ({@link #whole}), so that further LUO sessions of its own
 * can be named after it, {@code NAME/PART}, and nobody else's.
 *
 * @param text the name
 */
public record SessionName(String text) {
    /** Bytes, without the NUL that ends it in the kernel's structs. */
    static final int MAX_BYTES = 63;

    /**
     * Checks a name.
     *
     * @throws ErrnoException EINVAL, with the rule that it breaks
     */
    public SessionName {
        byte[] bytes = Fd.utf8(text);
        if (bytes.length == 0) {
            throw invalid(text, "is empty");
        }
        if (bytes.length > MAX_BYTES) {
            throw invalid(text, "has " + bytes.length + " bytes, and " + MAX_BYTES + " is the most");
        }
        if (text.equals(".") || text.equals("..")) {
            throw invalid(text, "is a directory's name for itself or its parent");
        }
        if (text.indexOf('\0') >= 0) {
            throw invalid(text, "holds a NUL");
        }
        // Half a surrogate pair has no UTF-8: two such names would become one.
        if (!new String(bytes, java.nio.charset.StandardCharsets.UTF_8).equals(text)) {
            throw invalid(text, "is no UTF-8");
        }
    }

    /**
     * The name of a session of kexecfs.
     *
     * @param text 1 to 63 bytes, no slash
     * @throws ErrnoException EINVAL, with the rule that it breaks
     */
    public static SessionName whole(String text) {
        SessionName name = new SessionName(text);
        if (text.indexOf('/') >= 0) {
            throw invalid(text, "holds a '/'");
        }
        return name;
    }

    private static ErrnoException invalid(String text, String rule) {
        return new ErrnoException(Errno.EINVAL, "session name '" + text.replace('\0', '?') + "' " + rule);
    }

    /** The name as the kernel's structs hold it, without the NUL. */
    byte[] bytes() {
        return Fd.utf8(text);
    }

    /** The name as a name in a directory: letters, digits, {@code _} and {@code -} as they are, other bytes {@code %XX}. */
    String asFileName() {
        StringBuilder out = new StringBuilder();
        for (byte b : bytes()) {
            char c = (char) (b & 0xff);
            if (c < 0x80 && (Character.isLetterOrDigit(c) || c == '_' || c == '-')) {
                out.append(c);
            } else {
                out.append(String.format("%%%02X", (int) c));
            }
        }
        return out.toString();
    }

    /** The name that {@link #asFileName} made into {@code fileName}. */
    static SessionName ofFileName(String fileName) {
        try {
            // Unlike a form's encoding, ours never has a '+'.
            return new SessionName(java.net.URLDecoder.decode(fileName, java.nio.charset.StandardCharsets.UTF_8));
        } catch (IllegalArgumentException e) {
            throw new ErrnoException(Errno.EIO, "'" + fileName + "' is no session's directory");
        }
    }

    @Override
    public String toString() {
        return text;
    }
}
