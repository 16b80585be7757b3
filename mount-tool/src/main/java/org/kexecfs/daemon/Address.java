package org.kexecfs.daemon;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.Set;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.keep.Keep;
import org.kexecfs.mount.RuntimeDirectory;
import org.kexecfs.posix.ErrnoException;

/**
 * Where a daemon is found: one to a runtime directory.
 *
 * @param directory its runtime directory
 */
public record Address(Path directory) {
    /** That of this host, or of the environment that says otherwise. */
    public static Address ours() {
        return new Address(RuntimeDirectory.path());
    }

    /** Whether it is that of the whole host, which systemd's unit has. */
    boolean isSystems() {
        return directory.equals(Path.of("/run/kexecfs"));
    }

    /** What it listens on. */
    Path socket() {
        return directory.resolve("kexecfsd.sock");
    }

    /** Locked while it runs; says by which process. */
    Path lock() {
        return directory.resolve("kexecfsd.pid");
    }

    /**
     * The process that it is, or was: only while it answers.
     *
     * @throws ErrnoException EIO if nobody ever was
     */
    public int process() {
        return lastProcess()
                .orElseThrow(() -> new ErrnoException(Errno.EIO, lock() + " does not say which process kexecfsd is"));
    }

    /** The processes that its keeper is, or was; none if it never had one. */
    public Set<Integer> keeper() {
        return Keep.processes(directory);
    }

    /** The process that it is, or was; empty if nobody ever was. */
    public Optional<Integer> lastProcess() {
        try {
            return Optional.of(Integer.valueOf(Files.readString(lock()).strip()));
        } catch (IOException | NumberFormatException e) {
            return Optional.empty();
        }
    }

    /** Locked by a client while it starts it. */
    Path startLock() {
        return directory.resolve("kexecfsd.start");
    }

    /** Which mounts are its own. */
    Path mounts() {
        return directory.resolve("kexecfsd.mounts");
    }

    /** Where one that runs unattended writes what it has to say. */
    public Path log() {
        return directory.resolve("kexecfsd.log");
    }
}
