package org.kexecfs.tool;

/** What names a file in a LUO session. */
final class LuoToken {
    private LuoToken() {}

    /**
     * Reads a token.
     *
     * @throws ToolException with {@link Exit#USAGE}
     */
    static long parse(String token) {
        try {
            return Long.parseUnsignedLong(token);
        } catch (NumberFormatException e) {
            throw new ToolException(Exit.USAGE, token + " is no token: that is a number from 0 to 2^64 - 1", e);
        }
    }
}
