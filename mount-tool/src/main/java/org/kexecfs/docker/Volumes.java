package org.kexecfs.docker;

import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.function.Function;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The volumes of this host, which are sessions.
 *
 * <p>A volume's life:
 *
 * <ol>
 *   <li>{@link #create}: it is recorded. It has no session yet.
 *   <li>{@link #mount}, for each container that uses it: its session is mounted, if it is not, and the user recorded.
 *   <li>{@link #unmount}: the user is gone; the session stays, for it is what lasts from one container to the next.
 *   <li>{@link #remove}: the session ends, if nothing is lost by that, and the record goes.
 * </ol>
 *
 * <p>A record is on disk before anybody is told of what it says, so a plugin that is killed goes on where the records are: a
 * call whose answer was lost can be made again. {@link #mountAll} mounts all sessions, as after an update.
 *
 * <p>Locks: a volume's own, which is held while its session is mounted or ended, so that others need not wait; none is taken
 * under it. Who only asks takes none.
 */
public final class Volumes {
    private static final Logger log = LoggerFactory.getLogger(Volumes.class);

    private final Records records;
    private final Sessions sessions;
    private final Path directory;
    private final String defaults;
    private final ConcurrentMap<VolumeName, Slot> slots = new ConcurrentHashMap<>();

    /** Where a volume is, or was: the lock of its name. */
    private static final class Slot {
        /** Written under the slot's lock. */
        private volatile Optional<Volume> volume;

        /** It is no longer in the map, and whoever waited for its lock must look again. Read and written under the lock. */
        private boolean gone;

        private Slot(Optional<Volume> volume) {
            this.volume = volume;
        }
    }

    /**
     * Those that are recorded.
     *
     * @param directory sessions are mounted in it, by their names
     * @param defaults options of all volumes that are created, as after {@code mount -o}
     * @throws ErrnoException EINVAL for the defaults
     */
    public Volumes(Records records, Sessions sessions, Path directory, String defaults) {
        this.records = records;
        this.sessions = sessions;
        this.directory = directory;
        this.defaults = VolumeOptions.joined(defaults, Map.of());
        records.load().forEach((name, volume) -> slots.put(name, new Slot(Optional.of(volume))));
    }

    /**
     * Records a volume. One that is there already with the same options is as good.
     *
     * @param options a mount's, with their values
     * @throws ErrnoException EINVAL for an option; EEXIST if it is there with others; EIO if it cannot be recorded
     */
    void create(VolumeName name, Map<String, String> options) {
        String joined = VolumeOptions.joined(defaults, options);
        locked(name, slot -> {
            if (slot.volume.isEmpty()) {
                return write(slot, new Volume(name, joined, Instant.now().truncatedTo(ChronoUnit.SECONDS), Set.of()));
            }
            String others = slot.volume.get().options();
            if (!others.equals(joined)) {
                throw new ErrnoException(
                        Errno.EEXIST,
                        "volume " + name + " is there with the options '" + others + "', and not '" + joined
                                + "'; remove it first");
            }
            return slot.volume.get();
        });
    }

    /**
     * Mounts a volume's session, if it is not mounted.
     *
     * @param user who uses it from now on; again is nothing
     * @return where it is mounted
     * @throws ErrnoException ENOENT if there is no such volume; EIO if it cannot be recorded
     * @throws SessionException as {@link Sessions#mount}
     */
    Path mount(VolumeName name, String user) {
        return locked(name, slot -> {
            Volume volume = existing(slot, name);
            sessions.mount(name.text(), path(name), volume.options());
            if (!volume.users().contains(user)) {
                write(slot, volume.with(user));
            }
            return path(name);
        });
    }

    /**
     * Takes note that a user is gone; again is nothing. The session stays mounted.
     *
     * @throws ErrnoException ENOENT if there is no such volume; EIO if it cannot be recorded
     */
    void unmount(VolumeName name, String user) {
        locked(name, slot -> {
            Volume volume = existing(slot, name);
            return volume.users().contains(user) ? write(slot, volume.without(user)) : volume;
        });
    }

    /**
     * Ends a volume's session and forgets it; nothing, if there is none. A session that is not mounted is, first: an update
     * may have left files in it.
     *
     * @throws ErrnoException EBUSY while anybody uses it; EIO if it cannot be forgotten
     * @throws SessionException as {@link Sessions#end}
     */
    void remove(VolumeName name) {
        locked(name, slot -> {
            slot.volume.ifPresent(volume -> {
                requireUnused(volume);
                end(volume);
                records.delete(name);
                slot.volume = Optional.empty();
            });
            return slot;
        });
    }

    /** Where it is not mounted, nobody can have it, whatever the engine told us, or could not tell us any more. */
    private void requireUnused(Volume volume) {
        int users = volume.users().size();
        if (users > 0 && sessions.isMounted(volume.name().text(), path(volume.name()))) {
            throw new ErrnoException(
                    Errno.EBUSY,
                    "volume " + volume.name() + " is in use, by " + users + "; 'docker ps -a --filter volume="
                            + volume.name()
                            + "' shows by which containers. If by none, the engine was killed: 'kexecfs umount "
                            + volume.name() + "' ends the session, and then it can be removed");
        }
    }

    private void end(Volume volume) {
        String session = volume.name().text();
        Path path = path(volume.name());
        try {
            sessions.mount(session, path, volume.options());
        } catch (SessionException e) {
            log.warn("volume {} cannot be mounted, and is removed without: {}", session, e.getMessage());
            return;
        }
        sessions.end(session, path);
    }

    /** Mounts the sessions of all volumes; what fails is told of in the log, and tried again when it is used. */
    public void mountAll() {
        slots.keySet()
                .forEach(name -> locked(name, slot -> {
                    slot.volume.ifPresent(this::tryMount);
                    return slot;
                }));
    }

    private void tryMount(Volume volume) {
        try {
            sessions.mount(volume.name().text(), path(volume.name()), volume.options());
        } catch (SessionException e) {
            log.warn("volume {} is not mounted: {}", volume.name(), e.getMessage());
        }
    }

    /**
     * A volume.
     *
     * @throws ErrnoException ENOENT if there is no such volume
     */
    Volume get(VolumeName name) {
        return Optional.ofNullable(slots.get(name)).flatMap(slot -> slot.volume).orElseThrow(() -> missing(name));
    }

    /** All, by their names. */
    List<Volume> list() {
        return slots.values().stream()
                .flatMap(slot -> slot.volume.stream())
                .sorted(Comparator.comparing(volume -> volume.name().text()))
                .toList();
    }

    /** Where a volume is mounted, when it is. */
    Path path(VolumeName name) {
        return directory.resolve(name.text());
    }

    private <T> T locked(VolumeName name, Function<Slot, T> work) {
        while (true) {
            Slot slot = slots.computeIfAbsent(name, key -> new Slot(Optional.empty()));
            synchronized (slot) {
                if (!slot.gone) {
                    try {
                        return work.apply(slot);
                    } finally {
                        if (slot.volume.isEmpty()) {
                            slot.gone = true;
                            slots.remove(name);
                        }
                    }
                }
            }
        }
    }

    private Volume write(Slot slot, Volume volume) {
        records.write(volume);
        slot.volume = Optional.of(volume);
        return volume;
    }

    private static Volume existing(Slot slot, VolumeName name) {
        return slot.volume.orElseThrow(() -> missing(name));
    }

    private static ErrnoException missing(VolumeName name) {
        return new ErrnoException(Errno.ENOENT, "no volume " + name + "; 'docker volume create -d kexecfs' makes one");
    }
}
