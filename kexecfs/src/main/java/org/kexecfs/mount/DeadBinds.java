package org.kexecfs.mount;

import java.nio.file.Path;
import java.util.Map;
import org.kexecfs.posix.Apart;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.FileStatus;
import org.kexecfs.posix.MountNamespace;
import org.kexecfs.posix.Mounts;
import org.kexecfs.posix.Pidfd;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Bind mounts whose session was mounted again, and that show the mount before, which nobody serves: in our mount namespace, and
 * in those of other processes, containers'. What follows by propagation has been replaced by then and is none.
 *
 * <p>Each is made anew of the same directory or file, read-only and noexec if it was, in the place of the dead one, at no
 * moment with nothing there. A name, be it the session's in a mount table or a path, proves nothing in a namespace that may be
 * hostile: it is the filesystem's number that does, which an {@link Anchor} keeps from becoming another's.
 */
public final class DeadBinds {
    private static final Logger log = LoggerFactory.getLogger(DeadBinds.class);

    private DeadBinds() {}

    /**
     * Makes them anew. What cannot be is told in the log, and stays as it is.
     *
     * @param mounted where a session is mounted now, by the number of the filesystem that it had before, which is kept by an
     *     anchor
     */
    public static void renew(Map<Long, Path> mounted) {
        if (mounted.isEmpty()) {
            return;
        }
        for (SeenMount dead : MountViews.mountsAnywhere(mounted.keySet())) {
            Path live = mounted.get(dead.device());
            try {
                renew(dead, live);
                log.info("{}: the bind mount of {} is made anew", dead, live);
            } catch (ErrnoException e) {
                log.warn("{}: the bind mount of {} cannot be made anew: {}", dead, live, e.getMessage());
            }
        }
    }

    private static void renew(SeenMount dead, Path live) {
        try (Pidfd process = Pidfd.open(dead.process());
                MountNamespace there = MountNamespace.of(process);
                Fd target = there.open(dead.point());
                Fd source = Apart.open(live + dead.root())) {
            if (FileStatus.known("/proc/self/fd/" + target.number()).id().device() != dead.device()) {
                // Something lies above it, or it has just been replaced, with another that it propagates to.
                log.debug("{} is another by now", dead);
                return;
            }
            try (Fd bind = Mounts.bind(source, dead.has("ro"), dead.has("noexec"))) {
                there.replace(bind, target);
            }
        }
    }
}
