package org.kexecfs.daemon;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;

/** One daemon to a runtime directory: a file that is locked while it runs, and says by which process. It stays. */
final class DaemonLock implements AutoCloseable {
    private static final Duration STEP = Duration.ofMillis(20);

    private final Fd file;

    private DaemonLock(Fd file) {
        this.file = file;
    }

    /**
     * Takes the lock.
     *
     * @param patience how long one that is about to end is waited for
     * @param serves whether clients find one: it is not about to end then
     * @throws ErrnoException EBUSY, with its process, if another daemon runs
     */
    static DaemonLock take(Path path, Duration patience, BooleanSupplier serves) {
        Fd file = Fd.open(path.toString(), Fd.O_RDWR | Fd.O_CREAT, 0600);
        long deadline = System.nanoTime() + patience.toNanos();
        while (!file.tryLock()) {
            if (System.nanoTime() >= deadline || serves.getAsBoolean()) {
                String holder = holder(file);
                file.close();
                throw new ErrnoException(
                        Errno.EBUSY, "kexecfsd runs already, as process " + holder + ", which holds " + path);
            }
            LockSupport.parkNanos(STEP.toNanos());
        }
        file.truncate(0);
        file.pwrite(Fd.utf8(ProcessHandle.current().pid() + "\n"), 0);
        return new DaemonLock(file);
    }

    private static String holder(Fd file) {
        byte[] text = new byte[32];
        return new String(text, 0, file.pread(text, 0), StandardCharsets.US_ASCII).strip();
    }

    @Override
    public void close() {
        file.close();
    }
}
