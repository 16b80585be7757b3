package org.kexecfs.mount;

import static java.util.stream.Collectors.groupingBy;
import static java.util.stream.Collectors.toList;
import static java.util.stream.Collectors.toMap;

import java.nio.file.Path;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
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
        Collection<List<SeenMount>> places = MountViews.mountsAnywhere(mounted.keySet()).stream()
                .collect(groupingBy(dead -> dead.process() + " " + dead.point(), LinkedHashMap::new, toList()))
                .values();
        for (List<SeenMount> place : places) {
            SeenMount any = place.getFirst();
            Path live = mounted.get(any.device());
            try {
                renew(place, live);
                log.info("{}: the bind mount of {} is made anew", any, live);
            } catch (ErrnoException e) {
                log.warn("{}: the bind mount of {} cannot be made anew: {}", any, live, e.getMessage());
            }
        }
    }

    /**
     * @param place the dead mounts on one mount point: more than one if a process was killed that had made a new one beneath the old, and
     *     had not taken that away yet
     */
    private static void renew(List<SeenMount> place, Path live) {
        Map<Long, SeenMount> dead =
                place.stream().collect(toMap(SeenMount::device, mount -> mount, (one, other) -> one, HashMap::new));
        SeenMount any = place.getFirst();
        try (Pidfd process = Pidfd.open(any.process());
                MountNamespace there = MountNamespace.of(process)) {
            while (!dead.isEmpty()) {
                try (Fd target = there.open(any.point())) {
                    SeenMount top = dead.remove(device(target));
                    if (top == null) {
                        // Something lies above it, or it has just been replaced, with another that it propagates to.
                        log.debug("{} is another by now", any);
                        return;
                    }
                    if (dead.isEmpty()) {
                        replace(there, target, top, live);
                    } else {
                        there.detach(target);
                    }
                }
            }
        }
    }

    private static long device(Fd root) {
        return FileStatus.known("/proc/self/fd/" + root.number()).id().device();
    }

    private static void replace(MountNamespace there, Fd target, SeenMount dead, Path live) {
        try (Fd source = Apart.open(live + dead.root());
                Fd bind = Mounts.bind(source, dead.has("ro"), dead.has("noexec"))) {
            there.replace(bind, target);
        }
    }
}
