package org.kexecfs.mount;

import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.FsContext;
import org.kexecfs.posix.Libc;

/** A FUSE mount that is not attached anywhere yet, and the descriptor that its requests are read from. */
public final class FuseMount implements AutoCloseable {
    private final Fd device;
    private final Fd root;
    private final long deviceNumber;

    private FuseMount(Fd device, Fd root) {
        this.device = device;
        this.root = root;
        this.deviceNumber = root.status().id().device();
    }

    /**
     * Makes a mount that is nowhere yet.
     *
     * @param session shown as the mount's source
     * @param options what is the VFS's own of them
     * @throws ErrnoException ENOENT, EACCES for /dev/fuse; EPERM without CAP_SYS_ADMIN
     */
    public static FuseMount create(String session, MountOptions options) {
        Fd device = openDevice();
        try {
            return new FuseMount(device, mount(session, device, options));
        } catch (RuntimeException e) {
            device.close();
            throw e;
        }
    }

    private static Fd openDevice() {
        try {
            return Fd.open("/dev/fuse", Fd.O_RDWR | Fd.O_NONBLOCK, 0);
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

    /**
     * Where it is mounted, also by others.
     *
     * @param writableUnseen whether who sees no mount of it at all has one that is not read-only: a private one
     */
    public MountViews views(boolean writableUnseen) {
        return new MountViews(deviceNumber, writableUnseen);
    }

    /** The descriptor that requests are read from; closed with this. */
    public Fd device() {
        return device;
    }

    /** The root directory, as a path: until the mount is attached it lasts as long as this, and duplicates of it, are open. */
    public Fd root() {
        return root;
    }

    /** The filesystem's number, as in {@link org.kexecfs.posix.FileId}: no other has it while this one lives. */
    public long deviceNumber() {
        return deviceNumber;
    }

    /** Closes the descriptors: what was not attached is gone, and what was is not served any more. */
    @Override
    public void close() {
        root.close();
        device.close();
    }
}
