package org.kexecfs.luo;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.FileId;
import org.kexecfs.posix.FileStatus;
import org.kexecfs.posix.Names;

/**
 * A session in an emulation's directory. To be used under the lock of {@link EmulatedKernel} only.
 *
 * <pre>
 * session           flock(2)ed by those who have the session open; the pid of who opened it. An incoming session that nobody
 *                   has retrieved has none
 * files/TOKEN       outgoing: an {@link OutgoingFile}; incoming: an {@link IncomingFile}
 * contents/TOKEN    incoming: the file's bytes
 * </pre>
 *
 * <p>The flock belongs to the open file that {@code session} is, and thus to its duplicates as well: the session is
 * open while one of them is, in whatever process, and closed when the kernel closes the last, be it for a
 * SIGKILL.
 *
 * @param path the directory
 */
record SessionDirectory(Path path) {
    private static final String OPENER = "opener";

    /** Makes the directory, with no files in it, and nobody who has it open. */
    void create() {
        Names.mkdir(path, 0700);
        Names.mkdir(path.resolve("files"), 0700);
        Names.mkdir(path.resolve("contents"), 0700);
    }

    /** Opens the session for this process: until it is closed, {@link #isOpen} says so. */
    Fd open() {
        Path file = path.resolve("session");
        Path prepared = path.resolve("session.new");
        // Of one who was killed while he did this.
        Names.unlink(prepared);
        Fd session = Facts.of(OPENER, ProcessHandle.current().pid()).write(prepared);
        try {
            session.lock();
            // Not before it is locked: a session that is there and not locked is one that was closed.
            Names.rename(prepared, file);
            return session;
        } catch (ErrnoException e) {
            session.close();
            throw e;
        }
    }

    boolean exists() {
        return Files.isDirectory(path);
    }

    /** Whether this incoming session was retrieved, be it open still or not. */
    boolean wasRetrieved() {
        return Files.exists(path.resolve("session"));
    }

    /** Whether somebody has it open. */
    boolean isOpen() {
        if (!wasRetrieved()) {
            return false;
        }
        try (Fd probe = Fd.open(path.resolve("session").toString(), Fd.O_RDONLY, 0)) {
            return !probe.tryLock();
        }
    }

    /** Whether it is there, and {@code session} is what those have open who have it open. */
    boolean isOpenBy(Fd session) {
        return wasRetrieved() && id().equals(session.status().id());
    }

    SessionName name() {
        return SessionName.ofFileName(path.getFileName().toString());
    }

    /** What processes that have it open have open. */
    FileId id() {
        return FileStatus.of(path.resolve("session").toString()).id();
    }

    /** The process that opened it; duplicates of its descriptor may be elsewhere by now. */
    int opener() {
        return (int) Facts.read(path.resolve("session")).get(OPENER);
    }

    /** Where the file's record is, whether it is there or not. */
    Path file(long token) {
        return path.resolve("files").resolve(Long.toUnsignedString(token));
    }

    /** Where the file's bytes are, whether they are there or not. */
    Path contents(long token) {
        return path.resolve("contents").resolve(Long.toUnsignedString(token));
    }

    /** Whether a file of a session, or of what is left of one, may be a file's record: neither contents, nor who has it open. */
    static boolean mayBeRecord(Path file) {
        return !file.getParent().endsWith("contents")
                && !file.getFileName().toString().startsWith("session");
    }

    boolean has(long token) {
        return Files.exists(file(token));
    }

    /** The tokens in use. */
    List<Long> tokens() {
        return EmulatedKernel.list(path.resolve("files")).stream()
                .map(file -> Long.parseUnsignedLong(file.getFileName().toString()))
                .toList();
    }

    /** Lets go of all files, before the session is closed. */
    void finish(EmulatedKernel kernel) {
        kernel.discard(path.resolve("files"));
        kernel.discard(path.resolve("contents"));
    }
}
