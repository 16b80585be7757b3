package org.kexecfs.mount;

import java.util.Optional;
import java.util.Set;
import org.kexecfs.keep.Shelf;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.Tmpfs;

/**
 * What of a mount is on its session's shelf, besides what the session puts there: {@code mount}, what it was asked for with, and
 * {@code memory}, where new files live. With the session they are what a daemon needs to mount again what a killed one had
 * mounted.
 */
public final class Parked implements AutoCloseable {
    private static final String MOUNT = "mount";
    private static final String MEMORY = "memory";

    private final Shelf shelf;
    private final Fd mount;
    private final Tmpfs memory;

    private Parked(Shelf shelf, Fd mount, Tmpfs memory) {
        this.shelf = shelf;
        this.mount = mount;
        this.memory = memory;
    }

    /** What a mount on this shelf was asked for with, if there was one. */
    public static Optional<MountRecord> record(Shelf shelf) {
        return Optional.ofNullable(shelf.found().get(MOUNT)).flatMap(MountRecord::read);
    }

    /** The session stays, and whoever mounts it next says where: no daemon mounts it by itself. */
    public static void forgetPlace(Shelf shelf) {
        shelf.release(MOUNT);
    }

    /** Whether there is a session on the shelf that a process before has left, and not only what is left of an end. */
    public static boolean hasSession(Shelf shelf) {
        return shelf.found().keySet().stream()
                .anyMatch(name -> !name.equals(MOUNT) && !name.equals(MEMORY) && !Anchor.isOurs(name));
    }

    /**
     * Whether whoever unmounted the session has ended it, although the daemon that served it could not see that any more: it
     * was mounted, and is mounted nowhere, neither by a number that its filesystem had nor, mounted again by a daemon that was
     * killed before it could keep the new number, by its name where it was. Only there: elsewhere one of that name may be another
     * emulation's.
     *
     * @param mounted numbers of all filesystems that are mounted
     */
    public static boolean wasUnmounted(Shelf shelf, Set<Long> mounted) {
        if (Anchor.foundUnmounted(shelf)) {
            return true;
        }
        Set<Long> had = Anchor.numbersMounted(shelf);
        return !had.isEmpty()
                && had.stream().noneMatch(mounted::contains)
                && record(shelf).filter(asked -> !isMounted(asked)).isPresent();
    }

    private static boolean isMounted(MountRecord asked) {
        return MountTable.at(asked.directory())
                .filter(mount -> mount.session().equals(asked.session()))
                .isPresent();
    }

    /** Takes everything off a shelf: nobody goes on with it. */
    public static void clear(Shelf shelf) {
        shelf.found().forEach((name, file) -> {
            shelf.release(name);
            file.close();
        });
        // LUO's sessions end with their last descriptor, and their names are free then.
        shelf.settle();
    }

    /**
     * Takes up what is on the shelf, and puts there what is not.
     *
     * @throws org.kexecfs.posix.ErrnoException as {@link Tmpfs#create} and {@link org.kexecfs.keep.Keep#park}
     */
    public static Parked open(Shelf shelf, MountRecord asked, MountOptions options) {
        Fd mount = shelf.found().get(MOUNT);
        if (mount != null && !record(shelf).equals(Optional.of(asked))) {
            shelf.release(MOUNT);
            mount.close();
            mount = null;
        }
        if (mount == null) {
            mount = asked.write();
            shelf.park(MOUNT, mount);
        }
        return new Parked(shelf, mount, memory(shelf, options));
    }

    private static Tmpfs memory(Shelf shelf, MountOptions options) {
        Fd found = shelf.found().get(MEMORY);
        if (found != null) {
            return Tmpfs.of(found);
        }
        Tmpfs fresh = Tmpfs.create(options.size(), options.inodes());
        shelf.park(MEMORY, fresh.root());
        return fresh;
    }

    /** Where new files live: one for all that ever serve the session, for its limits are theirs together. */
    public Tmpfs memory() {
        return memory;
    }

    /** The mount has ended. */
    @Override
    public void close() {
        shelf.release(MEMORY);
        shelf.release(MOUNT);
        memory.close();
        mount.close();
    }
}
