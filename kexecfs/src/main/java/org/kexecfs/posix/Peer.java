package org.kexecfs.posix;

import java.util.Optional;
import java.util.Set;

/**
 * Who connected a socket, as the process was when it did (unix(7), SO_PEERCRED, SO_PEERGROUPS, SO_PEERPIDFD).
 *
 * @param pid its number in our PID namespace; 0 if that cannot see it
 * @param uid effective user
 * @param gid effective group
 * @param groups supplementary groups
 * @param process the process, pinned; empty if it has ended or cannot be seen
 */
public record Peer(int pid, int uid, int gid, Set<Integer> groups, Optional<Pidfd> process) implements AutoCloseable {
    /** Whether the process is there still: what /proc said of its pid before this call was about it. */
    public boolean isAlive() {
        return process.map(Pidfd::isAlive).orElse(false);
    }

    /** Lets the process go. */
    @Override
    public void close() {
        process.ifPresent(Pidfd::close);
    }
}
