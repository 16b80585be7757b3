package org.kexecfs.tool;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Comparator;
import org.kexecfs.mount.MountTable;
import org.kexecfs.mount.MountTable.MountedSession;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.FileStatus;

/**
 * A name in a mounted session, as a user gives it: as any path of a file, which need not be there yet.
 *
 * @param mount where the session is mounted
 * @param name the file's path from the session's root
 */
record SessionPath(MountedSession mount, String name) {
    /**
     * Finds the session.
     *
     * @param path of the file, absolute or relative; symbolic links in its directories are followed
     * @throws ToolException with {@link Exit#NOT_MOUNTED} if it is not below a mount of a session
     */
    static SessionPath of(Path path) {
        Path file = path.toAbsolutePath().normalize();
        if (file.getParent() == null) {
            throw notMounted(path);
        }
        Path directory = real(path, file.getParent());
        long device = device(directory);
        MountedSession mount = MountTable.read().stream()
                .filter(m -> m.device() == device && directory.startsWith(m.directory()))
                .max(Comparator.comparing(m -> m.directory().getNameCount()))
                .orElseThrow(() -> notMounted(path));
        return new SessionPath(
                mount,
                mount.directory()
                        .relativize(directory.resolve(file.getFileName()))
                        .toString());
    }

    private static Path real(Path path, Path directory) {
        try {
            return directory.toRealPath();
        } catch (IOException e) {
            throw new ToolException(Exit.FAILED, path + ": there is no directory " + directory, e);
        }
    }

    private static long device(Path directory) {
        try {
            return FileStatus.of(directory.toString()).id().device();
        } catch (ErrnoException e) {
            throw new ToolException(Exit.of(e.errno()), e.getMessage(), e);
        }
    }

    private static ToolException notMounted(Path path) {
        return new ToolException(
                Exit.NOT_MOUNTED,
                path + ": no session is mounted there; 'kexecfs status' lists those that are mounted, and where");
    }

    /** The path by which everybody else finds it. */
    Path file() {
        return mount.directory().resolve(name);
    }
}
