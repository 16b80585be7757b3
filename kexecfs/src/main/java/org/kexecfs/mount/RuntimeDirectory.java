package org.kexecfs.mount;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.kexecfs.posix.ErrnoException;

/** Where this host's kexecfs keeps what must not outlive a boot: locks, and by default the emulation. */
public final class RuntimeDirectory {
    private static final String OTHER = "KEXECFS_RUNTIME_DIRECTORY";
    private static final Path SYSTEM = Path.of("/run");

    private RuntimeDirectory() {}

    /**
     * {@code $KEXECFS_RUNTIME_DIRECTORY}, if it is set; else {@code /run/kexecfs} for root, {@code $XDG_RUNTIME_DIR/kexecfs}
     * for everyone else.
     */
    public static Path path() {
        String other = System.getenv(OTHER);
        if (other != null && !other.isEmpty()) {
            return Path.of(other).toAbsolutePath();
        }
        String user = System.getenv("XDG_RUNTIME_DIR");
        boolean system = Files.isWritable(SYSTEM) || user == null || user.isEmpty();
        return (system ? SYSTEM : Path.of(user)).resolve("kexecfs");
    }

    /**
     * A directory that is there and is its owner's alone; made if need be.
     *
     * @throws ErrnoException EACCES, ENOTDIR, EROFS, ENOSPC if it cannot be made
     */
    public static Path make(Path directory) {
        if (Files.isDirectory(directory)) {
            return directory;
        }
        try {
            return Files.createDirectories(
                    directory, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
        } catch (IOException e) {
            throw ErrnoException.of(e, directory + " cannot be made");
        }
    }

    /** Whether a mount on a directory would hide it: nobody would find its daemon any more. */
    static boolean isWithin(Path directory) {
        try {
            return path().toRealPath().startsWith(directory);
        } catch (IOException e) {
            return path().startsWith(directory);
        }
    }
}
