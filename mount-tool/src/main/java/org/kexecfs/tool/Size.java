package org.kexecfs.tool;

import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Bytes, as people write them: {@code 4096}, {@code 64k}, {@code 1G}. */
final class Size {
    private static final Pattern FORM = Pattern.compile("(\\d{1,18})([kmgt]?)");

    private Size() {}

    /**
     * Reads a size.
     *
     * @param option whose it is, for the error
     * @param text a number, with k, m, g or t for powers of 1024
     * @return bytes, 0 or more
     * @throws ToolException with {@link Exit#USAGE}
     */
    static long parse(String option, String text) {
        Matcher matcher = FORM.matcher(text.toLowerCase(Locale.ROOT));
        if (!matcher.matches()) {
            throw new ToolException(
                    Exit.USAGE, option + " " + text + ": a size is a number of bytes, or as 64k, 1m, 2g");
        }
        try {
            return Math.multiplyExact(Long.parseLong(matcher.group(1)), unit(matcher.group(2)));
        } catch (ArithmeticException e) {
            throw new ToolException(Exit.USAGE, option + " " + text + ": no file is that large", e);
        }
    }

    private static long unit(String letter) {
        return letter.isEmpty() ? 1 : 1L << 10 * (1 + "kmgt".indexOf(letter));
    }
}
