package org.kexecfs.fuse;

import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.keep.Keep;
import org.kexecfs.keep.Shelf;
import org.kexecfs.mount.MountOptions;
import org.kexecfs.mount.MountPoint;
import org.kexecfs.mount.MountRecord;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.session.State;

/**
 * A session, mounted on a directory and served.
 *
 * <p>Life cycle: from {@link #mount} until umount(8), by whomever, or {@link #close}; {@link #awaitUnmounted} returns then.
 */
public final class KexecFsMount implements AutoCloseable {
    private final Path directory;
    private final ServedMount served;

    private KexecFsMount(Path directory, ServedMount served) {
        this.directory = directory;
        this.served = served;
    }

    /** Loads what every mount takes, for who waits for something else before the first one. */
    public static void load() {
        if (LibFuse.isThere()) {
            Callbacks.load();
            Workers.ofThisProcess();
        }
    }

    /**
     * Mounts a session and serves it.
     *
     * @param name the session, 1 to 63 bytes of UTF-8, no slash, no NUL, not {@code .} or {@code ..}
     * @param directory the mount point
     * @param options what {@code -o} says; {@code private} is for a {@link PrivateMount}, and EINVAL here
     * @return when it is mounted
     * @throws ErrnoException EBUSY if the session is mounted already, the device stayed busy, or the emulation is below the directory; EINVAL for
     *     the name; ENOENT, ENOTDIR for the mount point; ENOENT, EACCES for the device, /dev/fuse or libfuse; EPERM without
     *     CAP_SYS_ADMIN; EEXIST if LUO has a session of that name that is somebody else's
     */
    public static KexecFsMount mount(String name, Path directory, MountOptions options) {
        requireDirectory(options);
        try (MountPoint point = MountPoint.open(directory)) {
            requireBackendSeen(point, options);
            return new KexecFsMount(point.directory(), ServedMount.start(name, point, options));
        }
    }

    /**
     * Mounts a session so that it outlives this process: whoever is started in its place mounts it once more by this, with
     * the same, and goes on with it.
     *
     * @param asked the session, the mount point and the options
     * @param keep what holds it
     * @throws ErrnoException as {@link #mount(String, Path, MountOptions)}; EMFILE, EAGAIN as {@link Keep#park}. If there was
     *     a session to go on with, it stays where it was left
     */
    public static KexecFsMount mount(MountRecord asked, Keep keep) {
        MountOptions options = asked.parsed();
        requireDirectory(options);
        Shelf shelf = new Shelf(keep, asked.shelf());
        try (MountPoint point = MountPoint.open(asked.directory())) {
            requireBackendSeen(point, options);
            return new KexecFsMount(
                    point.directory(), ServedMount.start(asked.session(), point, options, asked, shelf));
        }
    }

    private static void requireDirectory(MountOptions options) {
        if (options.nowhere()) {
            throw new ErrnoException(Errno.EINVAL, "mount option private: such a mount is on no directory");
        }
    }

    /** We would ask ourselves for it, and wait, once the session ends. */
    private static void requireBackendSeen(MountPoint point, MountOptions options) {
        options.emulate()
                .filter(emulation -> emulation.startsWith(point.directory()))
                .ifPresent(emulation -> {
                    throw new ErrnoException(
                            Errno.EBUSY,
                            "mount point " + point.directory()
                                    + ": a mount there would hide the emulation's directory, " + emulation
                                    + "; mount on another one, or have the emulation elsewhere");
                });
    }

    /** Where it is mounted. */
    public Path directory() {
        return directory;
    }

    /** The filesystem's number, as in {@link org.kexecfs.posix.FileId}: no other has it while this one lives. */
    public long device() {
        return served.device();
    }

    /** Completes when the mount has ended, and the session with it: LUO has dropped what it held. */
    public CompletableFuture<Void> ended() {
        return served.ended();
    }

    /** Where its session is in its life, as {@code kexecfs.state} says it. */
    public State state() {
        return served.state();
    }

    /**
     * Does what a write to a control file does, without the way through the kernel.
     *
     * @param file its name: {@code kexecfs.prepare}, {@code kexecfs.cancel}, {@code kexecfs.finish}
     * @param word what would be written
     * @throws ErrnoException ENOENT if there is no such file; EINVAL for a word that it does not take; and as the write
     */
    public void command(String file, String word) {
        served.command(file, word);
    }

    /** Waits until the mount has ended; the session has ended then, too. */
    public void awaitUnmounted() throws InterruptedException {
        served.awaitEnd();
    }

    /**
     * Unmounts, and ends the session. Again is nothing.
     *
     * <p>Whoever has files open in the mount is waited for, but not for ever: after a few seconds this returns, and they are
     * served until the process ends.
     */
    @Override
    public void close() {
        served.close();
    }

    /** Unmounts, and does not wait: {@link #ended} completes once nobody has a file in it open any more. */
    public void unmount() {
        served.unmount();
    }

    /**
     * Hands the session to the next kernel, in whatever state it is, for a kexec is coming: what holds it brings it there. It is
     * served no longer, and the mount stays, dead. If it cannot be handed over the log says why.
     */
    public void leave() {
        served.leave();
    }

    /**
     * {@link #unmount}, and whoever has files open in the mount, or sees it elsewhere, has it no more: what a kexec does to it,
     * for one that is emulated.
     */
    public void abort() {
        served.abort();
    }
}
