package org.kexecfs.mount;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.mount.MountTable.MountedSession;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.FileStatus;
import org.kexecfs.posix.Mounts;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A directory to mount on, held open: what it is cannot change between its check and the mount. */
public final class MountPoint implements Place, AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(MountPoint.class);

    private final Path directory;
    private final Fd open;

    /** Whether a mount is there whose server died. */
    private final boolean dead;

    private MountPoint(Fd open, boolean dead) {
        this.directory = open.path();
        this.open = open;
        this.dead = dead;
    }

    /**
     * Opens it. A mount of ours that is there already, whose server died and which so is in everybody's way, will be replaced.
     *
     * @param directory any path of it; a symbolic link is followed now, and never again
     * @throws ErrnoException ENOENT, ENOTDIR, EACCES; EBUSY if the runtime directory is there or below
     */
    public static MountPoint open(Path directory) {
        try {
            return open(Fd.openDirectory(directory.toString()));
        } catch (ErrnoException e) {
            throw new ErrnoException(e, "mount point " + directory);
        }
    }

    private static MountPoint open(Fd directory) {
        try {
            if (RuntimeDirectory.isWithin(directory.path())) {
                throw new ErrnoException(
                        Errno.EBUSY,
                        "a mount there would hide kexecfs's own directory, " + RuntimeDirectory.path()
                                + "; mount on another one, or on one below");
            }
            return new MountPoint(directory, isDead(directory));
        } catch (RuntimeException e) {
            directory.close();
            throw e;
        }
    }

    /** Only a mount of ours is asked: what others have mounted may never answer. */
    private static boolean isDead(Fd open) {
        return org.kexecfs.posix.MountPoint.of(open).isRoot()
                && MountTable.at(open.path()).isPresent()
                && DeadMounts.isDead(open.path());
    }

    /** Its real path, as it was when it was opened. */
    public Path directory() {
        return directory;
    }

    @Override
    public String told() {
        return "at " + directory;
    }

    @Override
    public boolean isSeen() {
        return true;
    }

    /** Attaches the mount. Our descriptors would keep it busy: that of the mount's root is closed, as this is. */
    @Override
    public Optional<Fd> attach(FuseMount mount) {
        try (Fd root = mount.root()) {
            if (dead) {
                replaceDead(root);
            } else {
                Mounts.attach(root, open);
            }
            return Optional.of(Mounts.duplicate(root));
        } catch (ErrnoException e) {
            throw new ErrnoException(e, "mount point " + directory);
        } finally {
            close();
        }
    }

    /** Who makes a file there meanwhile must not make it in the directory below, where nobody would find it again. */
    private void replaceDead(Fd root) {
        log.info("{}: the mount there has lost its server; it is replaced", directory);
        detachLitter();
        try (Fd lowest = Fd.openDirectory(directory.toString())) {
            if (DeadMounts.isDead(directory)) {
                replace(root, lowest);
            } else {
                // Somebody's session of the same name, below the dead one: it is not ours to take away.
                Mounts.attach(root, lowest);
            }
        }
    }

    /** Who was killed after it had made its mount beneath a dead one, and before that was away, has left two. */
    private void detachLitter() {
        List<MountedSession> here = MountTable.read().stream()
                .filter(mount -> mount.directory().equals(directory))
                .toList();
        if (here.stream().map(MountedSession::session).distinct().count() == 1) {
            for (int left = here.size(); left > 1 && DeadMounts.isDead(directory); left--) {
                Mounts.detach(directory);
            }
        }
    }

    private void replace(Fd root, Fd dead) {
        try {
            Mounts.replace(root, dead);
        } catch (ErrnoException e) {
            log.info("{}: there is a moment without a mount: {}", directory, e.getMessage());
            Mounts.detach(dead);
            try (Fd below = Fd.openDirectory(directory.toString())) {
                Mounts.attach(root, below);
            }
        }
    }

    @Override
    public void detach(FuseMount mount) {
        if (isHere(mount)) {
            Mounts.detach(directory);
        }
    }

    @Override
    public void abort(FuseMount mount) {
        if (isHere(mount)) {
            Mounts.abort(directory);
        }
    }

    /** Asks nobody who serves a filesystem, and reads no table, which has thousands of lines when all are unmounted. */
    private boolean isHere(FuseMount mount) {
        try {
            return FileStatus.known(directory.toString()).id().device() == mount.deviceNumber();
        } catch (ErrnoException e) {
            return false;
        }
    }

    /** Lets the directory go; the path stays known. */
    @Override
    public void close() {
        open.close();
    }
}
