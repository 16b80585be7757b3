package org.kexecfs.mount;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.keep.Shelf;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.FileStatus;
import org.kexecfs.posix.Mounts;
import org.kexecfs.posix.Names;
import org.kexecfs.posix.Tmpfs;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tells a daemon which mounts are a session's, if the one before it was killed: a mount of the session's filesystem that is
 * nowhere, on the session's shelf as {@code anchor.N}. As long as it is there the filesystem lives, dead as it may be, and its number is
 * no other's.
 *
 * <p>What is parked is a directory of a small tmpfs, in which the session's mount is. For systemd looks at what it is to hold (fstat(2)):
 * it would wait for us, and would not take what does not answer. (Before Linux 6.15 nothing can be mounted in what is nowhere
 * itself, and the session's mount is parked as it is, once that is possible.)
 *
 * <p>Life cycle: {@link #park} before the session is mounted anywhere, so that whatever is bound of it can be found again; {@link #mounted}
 * once it is; {@link #unmounted} when it is mounted nowhere any more, or {@link #close}: it would keep the filesystem from its
 * end. What a killed daemon had on the shelf is {@link #found}, and let go once the session is mounted again and its bind mounts
 * are renewed.
 */
public final class Anchor implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(Anchor.class);

    private static final String PREFIX = "anchor.";
    private static final String UNMOUNTED = "unmounted";

    /** In the tmpfs: where the session's mount is. */
    private static final String SESSION = "session";

    /** In the tmpfs: that the session was mounted. */
    private static final String MOUNTED = "mounted";

    private final Shelf shelf;
    private final String what;

    /** What is parked; null if nothing is yet. */
    private Fd mount;

    /** The file that says that it was unmounted; null as long as it is not. */
    private Fd word;

    private boolean closed;

    private Anchor(Shelf shelf, String what, Fd mount) {
        this.shelf = shelf;
        this.what = what;
        this.mount = mount;
    }

    /**
     * Puts it on the shelf.
     *
     * @param session root of the session's mount, which is nowhere yet
     * @throws ErrnoException as {@link org.kexecfs.keep.Keep#park}
     */
    public static Anchor park(Shelf shelf, Fd session) {
        Anchor anchor = new Anchor(shelf, PREFIX + next(shelf), null);
        around(session).ifPresent(anchor::park);
        return anchor;
    }

    private static long next(Shelf shelf) {
        return shelf.found().keySet().stream()
                        .filter(Anchor::isAnchor)
                        .mapToLong(name -> Long.parseLong(name.substring(PREFIX.length())))
                        .max()
                        .orElse(0)
                + 1;
    }

    private void park(Fd parked) {
        try {
            shelf.park(what, parked);
        } catch (RuntimeException e) {
            parked.close();
            throw e;
        }
        mount = parked;
    }

    /** Empty if this kernel cannot. */
    private static Optional<Fd> around(Fd session) {
        Fd around = Tmpfs.create(0, 0).root();
        Path directory = in(around, SESSION);
        try (Fd copy = Mounts.duplicate(session)) {
            Names.mkdir(directory, 0700);
            try (Fd point = Fd.openDirectory(directory.toString())) {
                Mounts.attach(copy, point);
            }
            return Optional.of(around);
        } catch (ErrnoException e) {
            around.close();
            if (e.is(Errno.EINVAL)) {
                return Optional.empty();
            }
            throw e;
        }
    }

    /**
     * The session is mounted: if it is not any more when this process is killed, somebody has unmounted it.
     *
     * @param session root of a mount of the session that is nowhere
     */
    public void mounted(Fd session) {
        if (mount == null) {
            park(session.dup());
        } else {
            Names.mkdir(in(mount, MOUNTED), 0700);
        }
    }

    private static boolean isAnchor(String name) {
        return name.startsWith(PREFIX);
    }

    /** Whether something on a shelf is of this kind: no part of a session. */
    static boolean isOurs(String name) {
        return isAnchor(name) || name.equals(UNMOUNTED);
    }

    /** Those that a daemon before has left. */
    public static List<Anchor> found(Shelf shelf) {
        return shelf.found().entrySet().stream()
                .filter(file -> isAnchor(file.getKey()))
                .map(file -> new Anchor(shelf, file.getKey(), file.getValue()))
                .toList();
    }

    /** The numbers of the filesystems that were mounted. */
    static Set<Long> numbersMounted(Shelf shelf) {
        return found(shelf).stream()
                .filter(Anchor::wasMounted)
                .map(Anchor::device)
                .collect(Collectors.toSet());
    }

    /** Where a session is mounted that a daemon before has left: where it was mounted first, if that is several directories. */
    public static Optional<Path> placeFound(Shelf shelf) {
        Set<Long> numbers = numbersMounted(shelf);
        return MountTable.read().stream()
                .filter(mount -> numbers.contains(mount.device()))
                .map(MountTable.MountedSession::directory)
                .findFirst();
    }

    /** The name of the session's shelf. */
    public String shelf() {
        return shelf.name();
    }

    /** The filesystem's number, as in {@link org.kexecfs.posix.FileId}. */
    public long device() {
        return has(SESSION).orElseGet(mount::status).id().device();
    }

    private boolean wasMounted() {
        return has(SESSION).isEmpty() || has(MOUNTED).isPresent();
    }

    /** What is of that name in the tmpfs. None if it is no tmpfs: that one is a mount of the session itself. */
    private Optional<FileStatus> has(String name) {
        try {
            return Optional.of(FileStatus.known(in(mount, name).toString()));
        } catch (ErrnoException e) {
            return Optional.empty();
        }
    }

    private static Path in(Fd directory, String name) {
        return Path.of("/proc/self/fd", Integer.toString(directory.number()), name);
    }

    /** Whether the daemon before had seen that the session is mounted nowhere any more, and only open files kept it. */
    static boolean foundUnmounted(Shelf shelf) {
        return shelf.found().containsKey(UNMOUNTED);
    }

    /** The session is mounted nowhere any more: should this process be killed before the last file is closed, it has ended, too. */
    public synchronized void unmounted() {
        if (closed) {
            return;
        }
        try {
            word = Fd.memfd(UNMOUNTED);
            shelf.park(UNMOUNTED, word);
        } catch (ErrnoException e) {
            log.warn("{} was unmounted, and would be mounted again after a crash: {}", shelf.name(), e.getMessage());
        } finally {
            letGo();
        }
    }

    private void letGo() {
        if (mount != null) {
            shelf.release(what);
            mount.close();
        }
        closed = true;
    }

    /** The session has ended, or is mounted again, with an anchor of its own. */
    @Override
    public synchronized void close() {
        if (!closed) {
            letGo();
        }
        if (word != null) {
            shelf.release(UNMOUNTED);
            word.close();
            word = null;
        }
    }
}
