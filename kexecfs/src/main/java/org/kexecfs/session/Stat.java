package org.kexecfs.session;

import org.kexecfs.manifest.Kind;
import org.kexecfs.posix.Time;

/**
 * What stat(2) shows of an entry.
 *
 * @param token of the entry, 0 for the root
 * @param kind file or directory
 * @param mode permission bits
 * @param uid owner
 * @param gid group
 * @param links names of a file; for a directory 2 and one for each directory in it
 * @param size bytes
 * @param blocks allocated, 512 bytes each
 * @param accessed atime
 * @param modified mtime
 * @param changed ctime
 */
public record Stat(
        long token,
        Kind kind,
        int mode,
        int uid,
        int gid,
        long links,
        long size,
        long blocks,
        Time accessed,
        Time modified,
        Time changed) {}
