package org.kexecfs.tool;

import java.util.List;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.mount.MountTable.MountedSession;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Mounts;

/**
 * An unmount, and with the last place of a session its end.
 *
 * @param mount a live mount of the session
 * @param places what is unmounted, in this order
 */
record SessionEnd(MountedSession mount, List<MountedSession> places) {
    /** Of the session, wherever it is mounted. */
    static SessionEnd everywhere(MountedSession mount) {
        return new SessionEnd(mount, Mounted.everywhere(mount).reversed());
    }

    /** Of one mount. */
    static SessionEnd at(MountedSession mount) {
        return new SessionEnd(mount, List.of(mount));
    }

    /**
     * Unmounts, and returns when the session has ended, if it was its last place.
     *
     * @param force also if files are lost that are waited for
     * @throws ToolException with {@link Exit#BUSY} without {@code force}, if there are such; or if it is in use
     */
    void run(boolean force) {
        if (!force && Mounted.everywhere(mount).size() == places.size()) {
            requireNothingLost();
        }
        try (Waiting end = Waiting.forEndOf(mount)) {
            places.forEach(SessionEnd::unmount);
            if (Mounted.everywhere(mount).isEmpty()) {
                end.await();
            }
        }
    }

    private void requireNothingLost() {
        String state = SessionInfo.of(mount).state();
        if (state.equals("prepared")) {
            throw refused("is prepared for a kexec, and LUO would drop what it holds; 'kexecfs cancel' takes it back");
        }
        if (state.equals("updated")) {
            long unclaimed = FileList.read(mount).count("restored");
            if (unclaimed > 0) {
                throw refused("has " + unclaimed + " restored files that nobody has claimed; 'kexecfs ls' shows them");
            }
        }
    }

    private ToolException refused(String why) {
        return new ToolException(Exit.BUSY, mount.session() + " " + why + ". 'kexecfs umount --force' ends it anyway");
    }

    private static void unmount(MountedSession mount) {
        try {
            Mounts.unmount(mount.directory());
        } catch (ErrnoException e) {
            String next = e.is(Errno.EBUSY) ? "; 'fuser -vm " + mount.directory() + "' shows what uses it" : "";
            throw new ToolException(
                    Exit.of(e.errno()), "cannot unmount " + mount.session() + ": " + e.getMessage() + next, e);
        }
    }
}
