package org.kexecfs.mount;

import java.nio.file.Path;
import java.time.Duration;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.Apart;
import org.kexecfs.posix.ErrnoException;

/** Mounts of ours whose server is no more: they are there, and answer ENOTCONN. */
public final class DeadMounts {
    /** A dead one answers at once. */
    private static final Duration PATIENCE = Duration.ofSeconds(5);

    private DeadMounts() {}

    /** Whether what is mounted on a directory, whatever it is, has lost its server. One that does not answer within 5 seconds has not. */
    public static boolean isDead(Path directory) {
        try {
            Apart.stat(directory.toString(), PATIENCE);
            return false;
        } catch (ErrnoException e) {
            return e.is(Errno.ENOTCONN, Errno.ECONNABORTED);
        }
    }
}
