package org.kexecfs.posix;

import static org.kexecfs.posix.Libc.C;
import static org.kexecfs.posix.Syscall.check;

import java.nio.file.Path;
import jnr.constants.platform.linux.Errno;

/** Names in directories, made and moved with errnos kept (which {@link java.nio.file.Files} does not). */
public final class Names {
    private Names() {}

    /**
     * mkdir(2).
     *
     * @param mode permission bits, less the umask
     * @throws ErrnoException EEXIST, ENOENT, EACCES, ENOSPC, ...
     */
    public static void mkdir(Path path, int mode) {
        check(() -> C.mkdir(path.toString(), mode), () -> "mkdir(" + path + ")");
    }

    /** rename(2): {@code to} is replaced, atomically. */
    public static void rename(Path from, Path to) {
        check(() -> C.rename(from.toString(), to.toString()), () -> "rename(" + from + ", " + to + ")");
    }

    /** unlink(2); nothing, if there is no such name. */
    public static void unlink(Path path) {
        try {
            check(() -> C.unlink(path.toString()), () -> "unlink(" + path + ")");
        } catch (ErrnoException e) {
            if (!e.is(Errno.ENOENT)) {
                throw e;
            }
        }
    }

    /** symlink(2): {@code path} leads to {@code target}. */
    public static void symlink(Path target, Path path) {
        check(() -> C.symlink(target.toString(), path.toString()), () -> "symlink(" + target + ", " + path + ")");
    }
}
