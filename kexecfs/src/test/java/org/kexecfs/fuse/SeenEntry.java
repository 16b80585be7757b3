package org.kexecfs.fuse;

import java.nio.charset.StandardCharsets;
import java.util.Map;

/**
 * What is seen of an entry, on a mount or in {@link MountModel}; in words, the two can be compared.
 *
 * @param owner {@code UID:GID}
 * @param modified seconds; {@link ModelEntry#UNKNOWN} if the clock has set it
 * @param content as {@link #show} shows it; empty if it is not to be read
 */
record SeenEntry(
        boolean directory,
        int mode,
        String owner,
        long links,
        long size,
        long modified,
        Map<String, String> xattrs,
        String content) {
    @Override
    public String toString() {
        return String.join(
                " ",
                directory ? "dir" : "file",
                Integer.toOctalString(mode),
                owner,
                "links " + links,
                "size " + size,
                modified == ModelEntry.UNKNOWN ? "" : "modified " + modified,
                xattrs.toString(),
                content);
    }

    /** Bytes, readable. */
    static String show(byte[] bytes) {
        return "'" + new String(bytes, StandardCharsets.ISO_8859_1).replace('\0', '.') + "'";
    }
}
