package org.kexecfs.keep;

import java.util.Optional;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Namespace;
import org.kexecfs.posix.Peer;
import org.kexecfs.posix.ProcessStatus;

/**
 * Who may have what a keeper holds: a process of the same user, in the same user namespace, with all capabilities that the
 * keeper has. Such a one could take the descriptors from us by pidfd_getfd(2), so nobody gains anything here; root in
 * a container, which is short of capabilities or in a user namespace of its own, stays out.
 */
final class Trust {
    private static final int SELF = (int) ProcessHandle.current().pid();

    private Trust() {}

    /** Why the process at the other end of a connection may not; empty if it may. */
    static Optional<String> refusal(Peer peer) {
        ProcessStatus self = ProcessStatus.read(SELF);
        if (peer.uid() != self.uids().get(1)) {
            return Optional.of("it is for uid " + self.uids().get(1) + ", and not for uid " + peer.uid());
        }
        try {
            ProcessStatus other = ProcessStatus.read(peer.pid());
            boolean mayAll = (self.permitted() & ~other.permitted()) == 0;
            boolean sameNamespace = Namespace.user(peer.pid()).is(Namespace.user(SELF));
            if (!peer.isAlive()) {
                // What was read may have been about another process that has its number now.
                return Optional.of("the process has ended");
            }
            return mayAll && sameNamespace
                    ? Optional.empty()
                    : Optional.of("process " + peer.pid() + " has fewer rights than the keeper");
        } catch (ErrnoException e) {
            return Optional.of("process " + peer.pid() + " cannot be looked at");
        }
    }
}
