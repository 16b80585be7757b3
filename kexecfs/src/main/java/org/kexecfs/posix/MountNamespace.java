package org.kexecfs.posix;

import static org.kexecfs.posix.Libc.C;
import static org.kexecfs.posix.Syscall.check;
import static org.kexecfs.posix.Syscall.checkLong;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import jnr.constants.platform.linux.Errno;
import jnr.ffi.Pointer;

/**
 * The mounts that another process has, from its root directory on, as mount_namespaces(7) and chroot(2) made it.
 *
 * <p>Whatever lies in there may be hostile: no path of it is walked but by the kernel, within that root.
 */
public final class MountNamespace implements AutoCloseable {
    private static final int CLONE_FS = 0x200;
    private static final int CLONE_NEWNS = 0x20000;
    private static final long SYS_OPENAT2 = 437;
    private static final int SIZE_OF_OPEN_HOW = 24;
    private static final long RESOLVE_NO_MAGICLINKS = 0x02;
    private static final long RESOLVE_IN_ROOT = 0x10;

    private final Pidfd process;
    private final Fd root;

    private MountNamespace(Pidfd process, Fd root) {
        this.process = process;
        this.root = root;
    }

    /**
     * That of a process.
     *
     * @param process pinned; it stays the caller's to close, after this
     * @throws ErrnoException ENOENT if the process has ended; EACCES if we may not look into it
     */
    public static MountNamespace of(Pidfd process) {
        Fd root = Fd.openDirectory("/proc/" + process.pid() + "/root");
        if (!process.isAlive()) {
            root.close();
            throw new ErrnoException(Errno.ENOENT, "process " + process.pid() + " has ended");
        }
        return new MountNamespace(process, root);
    }

    /**
     * A directory in there, opened for use as a path (openat2(2)). Symbolic links are followed as the process itself would
     * follow them, and never lead out of its root.
     *
     * @param path from its root
     * @throws ErrnoException ENOENT, ENOTDIR, ELOOP; EAGAIN if directories of the path were moved meanwhile
     */
    public Fd openDirectory(String path) {
        return open(path, Fd.O_DIRECTORY);
    }

    /** {@link #openDirectory}, of a directory or any other file. */
    public Fd open(String path) {
        return open(path, 0);
    }

    private Fd open(String path, int flags) {
        // struct open_how: {u64 flags, mode, resolve}
        Pointer how = Fd.allocate(SIZE_OF_OPEN_HOW);
        how.putLong(0, Fd.O_PATH | Fd.O_CLOEXEC | flags);
        how.putLong(16, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
        return Fd.own((int) checkLong(
                () -> C.syscall(SYS_OPENAT2, root.number(), path, how, SIZE_OF_OPEN_HOW),
                () -> "openat2(root of process " + process.pid() + ", " + path + ")"));
    }

    /**
     * Attaches a detached mount in there (setns(2), move_mount(2)): wholly, or not at all.
     *
     * @param mount what {@link Mounts#bind} returned
     * @param directory what {@link #openDirectory} returned
     * @throws ErrnoException EPERM without CAP_SYS_ADMIN over that namespace; EINVAL if the process has gone to another;
     *     ENOENT if the directory was removed
     */
    public void attach(Fd mount, Fd directory) {
        inside(() -> Mounts.attach(mount, directory));
    }

    /**
     * Attaches a detached mount in there, in the place of another; above it, if that is not to be had.
     *
     * @param mount what {@link Mounts#bind} returned
     * @param other the root of a mount, opened
     * @throws ErrnoException as {@link #attach}
     */
    public void replace(Fd mount, Fd other) {
        insideWithProc(() -> {
            try {
                Mounts.replace(mount, other, "");
            } catch (ErrnoException e) {
                if (!e.is(Errno.EINVAL)) {
                    throw e;
                }
                Mounts.attach(mount, other);
            }
        });
    }

    /**
     * Takes away a mount in there, out of sight at once (umount2(2), MNT_DETACH).
     *
     * @param root of the mount, opened
     * @throws ErrnoException as {@link #attach}
     */
    public void detach(Fd root) {
        insideWithProc(() -> Mounts.detach(root, ""));
    }

    /** umount2(2) wants a path, and there is no /proc of ours in there: a container has one of its own, or none. */
    private void insideWithProc(Runnable what) {
        try (Fd proc = Fd.openDirectory("/proc")) {
            inside(() -> {
                check(() -> C.fchdir(proc.number()), () -> "fchdir(/proc)");
                what.run();
            });
        }
    }

    private void inside(Runnable what) {
        CompletableFuture<Void> done = new CompletableFuture<>();
        // A thread of its own, which ends with this: it never comes back from there. Only one that shares its root and
        // working
        // directory with no other may go.
        Thread.ofPlatform().name("in the mount namespace of " + process.pid()).start(() -> {
            try {
                check(() -> C.unshare(CLONE_FS), () -> "unshare(CLONE_FS)");
                process.enter(CLONE_NEWNS);
                what.run();
                done.complete(null);
            } catch (Throwable e) {
                done.completeExceptionally(e);
            }
        });
        try {
            done.join();
        } catch (CompletionException e) {
            throw e.getCause() instanceof ErrnoException told ? told : e;
        }
    }

    @Override
    public void close() {
        root.close();
    }
}
