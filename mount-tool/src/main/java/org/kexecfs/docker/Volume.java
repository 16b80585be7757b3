package org.kexecfs.docker;

import java.time.Instant;
import java.util.Set;
import java.util.TreeSet;

/**
 * A volume, as it is recorded.
 *
 * @param name its name, and its session's
 * @param options of its mount, as after {@code -o}
 * @param created when
 * @param users the engine's ids of those who have it mounted: a container each
 */
public record Volume(VolumeName name, String options, Instant created, Set<String> users) {
    /** It never changes. */
    public Volume {
        users = Set.copyOf(users);
    }

    Volume with(String user) {
        Set<String> more = new TreeSet<>(users);
        more.add(user);
        return new Volume(name, options, created, more);
    }

    Volume without(String user) {
        Set<String> fewer = new TreeSet<>(users);
        fewer.remove(user);
        return new Volume(name, options, created, fewer);
    }
}
