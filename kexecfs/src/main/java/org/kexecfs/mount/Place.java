package org.kexecfs.mount;

import java.util.Optional;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;

/** Where a mount is to be. */
public sealed interface Place permits MountPoint, Nowhere {
    /** How the session is mounted, for whoever wants to mount it again: {@code at DIRECTORY}. */
    String told();

    /** Whether the mount is in the hierarchy, and something of ours may keep the filesystem. */
    boolean isSeen();

    /**
     * Attaches a mount: from here on it is seen, by those who can see it here at all.
     *
     * @param mount not attached anywhere yet
     * @return a second mount of the filesystem, which is nowhere: what we use of the filesystem through it does not keep the
     *     first one busy, but does keep the filesystem. Empty unless it {@link #isSeen}
     * @throws ErrnoException EINVAL, ELOOP, EPERM as move_mount(2)
     */
    Optional<Fd> attach(FuseMount mount);

    /** Takes the mount away again, if it is still where it was attached; its users finish what they do. */
    void detach(FuseMount mount);

    /** {@link #detach}, and whoever uses the filesystem, from wherever, has it no more, where that can be done. */
    void abort(FuseMount mount);
}
