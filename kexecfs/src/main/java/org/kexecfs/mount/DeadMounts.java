package org.kexecfs.mount;

import java.nio.file.Path;
import java.util.List;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.mount.MountTable.MountedSession;
import org.kexecfs.posix.Apart;
import org.kexecfs.posix.ErrnoException;

/** Mounts of ours whose server is no more: they are there, and answer ENOTCONN. To ask may take as long as a server is stopped. */
public final class DeadMounts {
    private DeadMounts() {}

    /** Those that this process sees. */
    public static List<MountedSession> read() {
        return MountTable.read().stream()
                .filter(mount -> isDead(mount.directory()))
                .toList();
    }

    /** Whether what is mounted on a directory, whatever it is, has lost its server. */
    public static boolean isDead(Path directory) {
        try {
            Apart.stat(directory.toString());
            return false;
        } catch (ErrnoException e) {
            return e.is(Errno.ENOTCONN, Errno.ECONNABORTED);
        }
    }
}
