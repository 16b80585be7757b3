package org.kexecfs.session;

import java.util.Optional;

/**
 * What a session is told when it begins.
 *
 * @param uid owner of the root; empty: what it was before the update, or {@code creator}
 * @param gid group of the root, likewise
 * @param mode permission bits of the root, likewise; 0755 for a new session
 * @param creatorUid who mounts
 * @param creatorGid who mounts
 * @param preserve when files are handed to LUO
 * @param size bytes that all entries may have, 0 for no limit
 * @param inodes entries that there may be, 0 for no limit
 */
public record Settings(
        Optional<Integer> uid,
        Optional<Integer> gid,
        Optional<Integer> mode,
        int creatorUid,
        int creatorGid,
        Preserve preserve,
        long size,
        long inodes) {
    private static final int DEFAULT_MODE = 0755;

    /** When files are handed to LUO: mount option {@code preserve}. */
    public enum Preserve {
        /** All at prepare. */
        AT_PREPARE,
        /** Each at once: when it is linked, and when it is closed by who has written to it. */
        AT_LINK
    }

    /** No limits, a root that is the creator's. */
    public static Settings of(int creatorUid, int creatorGid) {
        return new Settings(
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                creatorUid,
                creatorGid,
                Preserve.AT_PREPARE,
                0,
                0);
    }

    int newMode() {
        return mode.orElse(DEFAULT_MODE);
    }

    int newUid() {
        return uid.orElse(creatorUid);
    }

    int newGid() {
        return gid.orElse(creatorGid);
    }
}
