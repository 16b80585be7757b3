package org.kexecfs.mount;

import java.nio.file.Path;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.FileStatus;
import org.kexecfs.posix.FsContext;
import org.kexecfs.posix.Libc;
import org.kexecfs.posix.Mounts;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A FUSE mount, and the descriptor that its requests are read from. */
public final class FuseMount implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(FuseMount.class);

    private final Path directory;
    private final Fd mountPoint;
    private final Fd device;
    private final Fd mount;
    private final long deviceNumber;

    private FuseMount(Fd mountPoint, Fd device, Fd mount) {
        this.directory = mountPoint.path();
        this.mountPoint = mountPoint;
        this.device = device;
        this.mount = mount;
        this.deviceNumber = mount.status().id().device();
    }

    /**
     * Makes a mount that is nowhere yet.
     *
     * @param session shown as the mount's source
     * @param directory where it will be attached
     * @param options what is the VFS's own of them
     * @throws ErrnoException ENOENT, ENOTDIR for the directory; ENOENT, EACCES for /dev/fuse; EPERM without CAP_SYS_ADMIN
     */
    public static FuseMount create(String session, Path directory, MountOptions options) {
        detachDead(directory);
        Fd mountPoint = openMountPoint(directory);
        Fd device = null;
        try {
            device = openDevice();
            return new FuseMount(mountPoint, device, mount(session, device, options));
        } catch (RuntimeException e) {
            mountPoint.close();
            if (device != null) {
                device.close();
            }
            throw e;
        }
    }

    /** A mount whose server died is in the way, and nobody can use it: it goes. */
    private static void detachDead(Path directory) {
        try {
            FileStatus.of(directory.toString());
        } catch (ErrnoException e) {
            if (e.is(Errno.ENOTCONN)) {
                MountTable.at(directory).ifPresent(dead -> {
                    log.warn(
                            "{}: the mount of session {} has lost its server; it is detached",
                            directory,
                            dead.session());
                    Mounts.detach(dead.directory());
                });
            }
        }
    }

    private static Fd openMountPoint(Path directory) {
        try {
            return Fd.openDirectory(directory.toString());
        } catch (ErrnoException e) {
            throw new ErrnoException(e, "mount point " + directory);
        }
    }

    private static Fd openDevice() {
        try {
            return Fd.open("/dev/fuse", Fd.O_RDWR, 0);
        } catch (ErrnoException e) {
            throw new ErrnoException(
                    e,
                    e.is(Errno.ENOENT, Errno.ENODEV)
                            ? "no FUSE in this kernel (modprobe fuse)"
                            : "no right to use FUSE");
        }
    }

    private static Fd mount(String session, Fd device, MountOptions options) {
        int attributes = FsContext.MOUNT_ATTR_NOSUID
                | FsContext.MOUNT_ATTR_NODEV
                | (options.noexec() ? FsContext.MOUNT_ATTR_NOEXEC : 0)
                | (options.readOnly() ? FsContext.MOUNT_ATTR_RDONLY : 0);
        try (FsContext context = FsContext.open("fuse")) {
            return context.set("source", session)
                    .set("subtype", "kexecfs")
                    .set("fd", Integer.toString(device.number()))
                    .set("rootmode", "40755")
                    .set("user_id", Integer.toUnsignedString(Libc.C.geteuid()))
                    .set("group_id", Integer.toUnsignedString(Libc.C.getegid()))
                    .set("default_permissions")
                    .set("allow_other")
                    .mount(attributes);
        } catch (ErrnoException e) {
            throw e.is(Errno.EPERM) ? new ErrnoException(e, "mounting needs root (CAP_SYS_ADMIN)") : e;
        }
    }

    /** Where it will be attached, or was: the mount point's real path. */
    public Path directory() {
        return directory;
    }

    /** Where it is mounted, also by others. */
    public MountViews views() {
        return new MountViews(deviceNumber);
    }

    /** The descriptor that requests are read from; closed with this. */
    public Fd device() {
        return device;
    }

    /**
     * Attaches the mount: from here on it is seen.
     *
     * @return a second mount of the filesystem, which is nowhere: what we use of the filesystem through it does not keep the
     *     first one busy, but does keep the filesystem
     * @throws ErrnoException EINVAL, ELOOP, EPERM as move_mount(2)
     */
    public Fd attach() {
        try {
            Mounts.attach(mount, mountPoint);
            return Mounts.duplicate(mount);
        } catch (ErrnoException e) {
            throw new ErrnoException(e, "mount point " + directory);
        } finally {
            // Our descriptors would keep the mount busy.
            mount.close();
            mountPoint.close();
        }
    }

    /** Takes the mount out of the hierarchy, if it is still where it was attached; its users finish what they do. */
    public void unmount() {
        if (MountTable.read().stream()
                .anyMatch(m -> m.device() == deviceNumber && m.directory().equals(directory))) {
            Mounts.detach(directory);
        }
    }

    /** Closes the descriptors: what was not attached is gone, and what was is not served any more. */
    @Override
    public void close() {
        mount.close();
        mountPoint.close();
        device.close();
    }
}
