package org.kexecfs.mount;

import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.kexecfs.keep.Shelf;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.FileStatus;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tells a daemon which mounts are a session's, if the one before it was killed: a mount of the session's filesystem that is
 * nowhere, on the session's shelf as {@code anchor.N}. As long as it is there the filesystem lives, dead as it may be, and its number is
 * no other's.
 *
 * <p>Life cycle: {@link #park} once the session is mounted; {@link #unmounted} when it is mounted nowhere any more, or {@link
 * #close}: it would keep the filesystem from its end. What a killed daemon had on the shelf is {@link #found}, and let go once
 * the session is mounted again and its bind mounts are renewed.
 */
public final class Anchor implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(Anchor.class);

    private static final String PREFIX = "anchor.";
    private static final String UNMOUNTED = "unmounted";

    private final Shelf shelf;
    private final String what;
    private final Fd mount;

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
     * @param mount of the filesystem, and nowhere; taken over
     * @throws org.kexecfs.posix.ErrnoException as {@link org.kexecfs.keep.Keep#park}
     */
    public static Anchor park(Shelf shelf, Fd mount) {
        long last = shelf.found().keySet().stream()
                .filter(Anchor::isAnchor)
                .mapToLong(name -> Long.parseLong(name.substring(PREFIX.length())))
                .max()
                .orElse(0);
        String what = PREFIX + (last + 1);
        try {
            shelf.park(what, mount);
        } catch (RuntimeException e) {
            mount.close();
            throw e;
        }
        return new Anchor(shelf, what, mount);
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

    static Set<Long> numbersFound(Shelf shelf) {
        return found(shelf).stream().map(Anchor::device).collect(Collectors.toSet());
    }

    /** The name of the session's shelf. */
    public String shelf() {
        return shelf.name();
    }

    /** The filesystem's number, as in {@link org.kexecfs.posix.FileId}. */
    public long device() {
        return FileStatus.known("/proc/self/fd/" + mount.number()).id().device();
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
        shelf.release(what);
        mount.close();
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
