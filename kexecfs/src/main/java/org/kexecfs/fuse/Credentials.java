package org.kexecfs.fuse;

import java.util.Set;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Libc;
import org.kexecfs.posix.Namespace;
import org.kexecfs.posix.Peer;
import org.kexecfs.posix.ProcessStatus;

/**
 * Who asks, as far as permission bits go (path_resolution(7)): for the ways in and out that the kernel cannot check.
 *
 * @param uid its user
 * @param gid its group
 * @param groups its supplementary groups
 * @param overrides whether permission bits mean nothing to it: CAP_DAC_OVERRIDE in our user namespace or one above
 */
record Credentials(int uid, int gid, Set<Integer> groups, boolean overrides) {
    static final int READ = 4;
    static final int WRITE = 2;
    static final int SEARCH = 1;

    /** Of the thread that made a request, as they are now: it waits for the answer. One that we cannot see has less. */
    static Credentials of(Caller caller) {
        if (caller.thread() == 0) {
            return new Credentials(caller.uid(), caller.gid(), Set.of(), false);
        }
        ProcessStatus status = caller.process();
        return new Credentials(caller.uid(), caller.gid(), status.groups(), overrides(status));
    }

    /**
     * Of the process that connected a socket, as they were then. Only root's capabilities are looked at, and now: whoever
     * else connected may have become root since, by a set-uid program, and gains nothing by it.
     */
    static Credentials of(Peer peer) {
        return new Credentials(peer.uid(), peer.gid(), peer.groups(), peer.uid() == 0 && overrides(peer));
    }

    private static boolean overrides(Peer peer) {
        try {
            return peer.pid() != 0 && overrides(ProcessStatus.read(peer.pid())) && peer.isAlive();
        } catch (ErrnoException e) {
            // It has ended: what is known of it are its ids.
            return false;
        }
    }

    private static boolean overrides(ProcessStatus status) {
        return (status.effective() & ProcessStatus.CAP_DAC_OVERRIDE) != 0
                && Namespace.user(Libc.C.getpid()).isWithin(Namespace.user(status.tgid()));
    }

    /** Whether it may do {@code wanted}, bits of {@link #READ}, {@link #WRITE}, {@link #SEARCH}. */
    boolean may(int wanted, Permissions file) {
        int shift = uid == file.uid() ? 6 : gid == file.gid() || groups.contains(file.gid()) ? 3 : 0;
        return overrides || (file.mode() >> shift & wanted) == wanted;
    }
}
