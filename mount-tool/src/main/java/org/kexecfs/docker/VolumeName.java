package org.kexecfs.docker;

import java.util.regex.Pattern;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;

/**
 * A volume's name, which is its session's, and the name of files: what the engine's own volumes may be called, as far as a
 * session may.
 *
 * @param text 1 to 63 letters, digits, {@code _}, {@code .} and {@code -}; the first a letter or a digit
 */
public record VolumeName(String text) {
    private static final int LONGEST = 63;
    private static final Pattern RULE = Pattern.compile("[a-zA-Z0-9][a-zA-Z0-9_.-]*");

    /**
     * Checks a name.
     *
     * @throws ErrnoException EINVAL, with the rule that it breaks
     */
    public VolumeName {
        if (text.length() > LONGEST) {
            throw new ErrnoException(
                    Errno.EINVAL,
                    "volume name '" + text.substring(0, LONGEST) + "...' has " + text.length()
                            + " characters, and a session's name at most " + LONGEST
                            + "; a volume of no name gets a longer one from the engine: give it one");
        }
        if (!RULE.matcher(text).matches()) {
            throw new ErrnoException(
                    Errno.EINVAL,
                    "volume name '" + text
                            + "'; it is letters, digits, '_', '.' and '-', the first a letter or a digit");
        }
    }

    @Override
    public String toString() {
        return text;
    }
}
