package org.kexecfs.mount;

import java.io.IOException;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.luo.SessionName;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.FileStatus;

/**
 * One live mount per session and host: a file that is locked while the session is mounted, and says where.
 *
 * <p>The kernel lets the lock go when the process ends, however it ends; the file is taken away by whoever unmounts.
 */
public final class SessionLock implements AutoCloseable {
    private static final String LOCKS = "mounted";
    private static final String BY_PROCESS = " by process ";

    private final Path path;
    private final Fd file;

    private SessionLock(Path path, Fd file) {
        this.path = path;
        this.file = file;
    }

    /**
     * Takes the lock of a session.
     *
     * @param session its name
     * @param options tell the backend: a session of an emulation is another than the device's of the same name
     * @param place where it will be mounted, as {@link Place#told()}
     * @throws ErrnoException EINVAL for what is no name; EBUSY, with where it is mounted, if it is
     */
    public static SessionLock take(String session, MountOptions options, String place) {
        // Before it becomes a path.
        String name = SessionName.whole(session).text();
        Path backend = options.emulate().orElseGet(RuntimeDirectory::path);
        Path path =
                RuntimeDirectory.make(backend.resolve(LOCKS)).resolve(URLEncoder.encode(name, StandardCharsets.UTF_8));
        while (true) {
            Fd file = Fd.open(path.toString(), Fd.O_RDWR | Fd.O_CREAT, 0600);
            if (!file.tryLock()) {
                byte[] where = new byte[4096];
                int length = file.pread(where, 0);
                file.close();
                throw new ErrnoException(
                        Errno.EBUSY,
                        "session " + session + " is mounted already, "
                                + new String(where, 0, length, StandardCharsets.UTF_8)
                                + "; use that mount, or umount it first (a private one ends with its last descriptor)");
            }
            if (isAt(path, file)) {
                file.truncate(0);
                file.pwrite(Fd.utf8(place + BY_PROCESS + ProcessHandle.current().pid()), 0);
                return new SessionLock(path, file);
            }
            // Whoever had it took the file away between our open and our lock.
            file.close();
        }
    }

    /**
     * Where the sessions of an emulation are mounted, as {@link Place#told()} has it.
     *
     * @param emulation its directory
     */
    public static Set<String> placesOf(Path emulation) {
        Path locks = emulation.resolve(LOCKS);
        if (!Files.isDirectory(locks)) {
            return Set.of();
        }
        try (Stream<Path> files = Files.list(locks)) {
            return files.map(SessionLock::place).flatMap(Optional::stream).collect(Collectors.toSet());
        } catch (IOException e) {
            throw new ErrnoException(Errno.EIO, locks + " cannot be read: " + e.getMessage());
        }
    }

    private static Optional<String> place(Path lock) {
        try {
            String text = Files.readString(lock);
            int end = text.lastIndexOf(BY_PROCESS);
            return end < 0 ? Optional.empty() : Optional.of(text.substring(0, end));
        } catch (IOException e) {
            // It has just been unmounted.
            return Optional.empty();
        }
    }

    private static boolean isAt(Path path, Fd file) {
        try {
            return FileStatus.of(path.toString()).id().equals(file.status().id());
        } catch (ErrnoException e) {
            return false;
        }
    }

    @Override
    public void close() {
        try {
            Files.deleteIfExists(path);
        } catch (IOException e) {
            // A file without a lock keeps nobody from mounting.
            return;
        } finally {
            file.close();
        }
    }
}
