package org.kexecfs.keep;

import java.io.IOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.luo.LiveUpdate;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.FileId;
import org.kexecfs.posix.Pidfd;
import org.kexecfs.posix.Shadow;

/**
 * The shadow of a keeper that was killed: it has all that the keeper had. Nothing changes it, but who is in the keeper's place
 * takes everything ({@link #handOver}) and ends it.
 *
 * <p>That it is one is seen by its descriptors, never by its pid: it has an index, and in that a lock that is the file we know.
 */
final class Orphan implements AutoCloseable {
    private final Pidfd process;
    private final Index index;
    private final Map<Integer, String> names;

    private Orphan(Pidfd process, Index index) {
        this.process = process;
        this.index = index;
        this.names = index.names();
    }

    /**
     * The shadow on a side of the record, if it lives.
     *
     * @param lock the keeper's lock
     * @throws ErrnoException EPERM if we may not look at it
     */
    static Optional<Orphan> find(ShadowRecord record, int side, FileId lock) {
        return record.shadow(side).flatMap(pid -> find(pid, record.indexNumber(side), lock));
    }

    private static Optional<Orphan> find(int pid, int indexNumber, FileId lock) {
        try {
            Pidfd process = Pidfd.open(pid);
            try {
                Orphan orphan = new Orphan(process, Index.of(process.getFd(indexNumber)));
                orphan.check(lock);
                return Optional.of(orphan);
            } catch (ErrnoException e) {
                process.close();
                throw e;
            }
        } catch (ErrnoException e) {
            // Its number is another's now, or nobody's.
            if (e.is(Errno.ENOENT)) {
                return Optional.empty();
            }
            throw e;
        }
    }

    /** Ends the shadow on a side of the record, if it is one, as far as its name tells. */
    static void endUnseen(ShadowRecord record, int side) {
        record.shadow(side).ifPresent(pid -> {
            try (Pidfd process = Pidfd.open(pid)) {
                if (Files.readString(Path.of("/proc", Integer.toString(pid), "comm"))
                        .equals(Shadow.NAME + "\n")) {
                    process.kill();
                }
            } catch (IOException | ErrnoException e) {
                // It has ended, or is not ours: then the lock is locked still.
            }
        });
    }

    private void check(FileId file) {
        try (Fd lock = lock()) {
            if (!lock.id().equals(file)) {
                throw new ErrnoException(Errno.ENOENT, "process " + process.pid() + " has another keeper's lock");
            }
        } catch (ErrnoException e) {
            index.close();
            throw e;
        }
    }

    /** The keeper's lock, which is locked as long as this is open. ENOENT if it has none. */
    Fd lock() {
        return take(Index.LOCK)
                .orElseThrow(
                        () -> new ErrnoException(Errno.ENOENT, "process " + process.pid() + " has no keeper's lock"));
    }

    /** The connection of the daemon that was served, if one was. */
    Optional<Fd> daemon() {
        return take(Index.DAEMON);
    }

    private Optional<Fd> take(String name) {
        return names.entrySet().stream()
                .filter(entry -> entry.getValue().equals(name))
                .findFirst()
                .map(entry -> process.getFd(entry.getKey()));
    }

    /** Gives somebody a duplicate of all that is held: what has a name, and what was to be retrieved just then, if it was. */
    void handOver(Held to) {
        names.forEach((number, name) -> {
            if (!name.equals(Index.LOCK) && !name.equals(Index.DAEMON)) {
                to.put(name, process.getFd(number));
            }
        });
        index.intent()
                .ifPresent(intent ->
                        retrieved(intent.session()).ifPresent(number -> to.put(intent.name(), process.getFd(number))));
    }

    /** The descriptor that has no name, and is that session. */
    private Optional<Integer> retrieved(String session) {
        Path directory = Path.of("/proc", Integer.toString(process.pid()), "fd");
        try (DirectoryStream<Path> descriptors = Files.newDirectoryStream(directory)) {
            for (Path descriptor : descriptors) {
                int number = Integer.parseInt(descriptor.getFileName().toString());
                if (!names.containsKey(number) && LiveUpdate.isIncoming(Files.readSymbolicLink(descriptor), session)) {
                    return Optional.of(number);
                }
            }
            return Optional.empty();
        } catch (IOException | DirectoryIteratorException e) {
            throw new ErrnoException(Errno.EIO, directory + " cannot be read: " + e.getMessage());
        }
    }

    /** SIGKILL. When it returns all that nobody else has is closed. */
    void end() {
        process.kill();
        close();
    }

    @Override
    public void close() {
        index.close();
        process.close();
    }
}
