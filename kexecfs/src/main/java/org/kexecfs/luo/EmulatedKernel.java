package org.kexecfs.luo;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.FileId;
import org.kexecfs.posix.FileStatus;
import org.kexecfs.posix.Names;
import org.kexecfs.posix.ProcessStatus;

/**
 * The kernel that "runs" in an emulation's directory, for as long as the directory's lock is held: {@link #lock} takes
 * it, {@link #close} lets go. The directory:
 *
 * <pre>
 * lock                        flock(2)ed while anything here is looked at or changed
 * current -> kernel.7         the kernel that runs; a kexec is the one rename that turns this to kernel.8
 * kernel.7/outgoing/NAME/     a session that was created: a {@link SessionDirectory}
 * kernel.7/incoming/NAME/     a session that kernel.6 preserved
 * kernel.7/held/MAJOR:MINOR:INODE -> ../outgoing/NAME/files/TOKEN
 *                             the file that LUO has under that token, of all the files that are open
 * trash                       what is being deleted
 * </pre>
 *
 * <p>Whatever comes or goes as a whole does so by one rename; so a process that is killed at any point leaves
 * only litter behind (trash, a kernel that is not current, a link that leads nowhere), which the next who takes the
 * lock sweeps up.
 */
final class EmulatedKernel implements AutoCloseable {
    private static final String LOCK = "lock";
    private static final String CURRENT = "current";
    private static final String NEXT_CURRENT = "current.new";
    private static final String TRASH = "trash";
    private static final String KERNEL = "kernel.";
    private static final int GROUP_AND_OTHER_WRITE = 022;

    /** Our effective user id. */
    private static final int SELF =
            ProcessStatus.read((int) ProcessHandle.current().pid()).uids().get(1);

    private final Path machine;
    private final Fd lock;
    private final Path path;

    private EmulatedKernel(Path machine, Fd lock, Path path) {
        this.machine = machine;
        this.lock = lock;
        this.path = path;
    }

    /**
     * Waits for the lock of the emulation in {@code machine}, which is made if it is not there.
     *
     * @throws ErrnoException EPERM the directory is another user's, or others may write to it: what is preserved there
     *     could be anything; ENOTDIR it is none; ENOTEMPTY it holds something else than an emulation; ENOSPC
     */
    static EmulatedKernel lock(Path machine) {
        createDirectory(machine);
        checkOwner(machine);
        Fd lock = open(machine.resolve(LOCK));
        try {
            lock.lock();
            return new EmulatedKernel(machine, lock, current(machine));
        } catch (ErrnoException e) {
            lock.close();
            throw e;
        }
    }

    /** Whether there is an emulation in {@code machine}. */
    static boolean isIn(Path machine) {
        return Files.exists(machine.resolve(CURRENT)) && Files.exists(machine.resolve(LOCK));
    }

    private static void createDirectory(Path machine) {
        if (!Files.exists(machine, LinkOption.NOFOLLOW_LINKS)) {
            attempt(() -> Files.createDirectories(
                    machine, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------"))));
        }
    }

    private static void checkOwner(Path machine) {
        FileStatus status = FileStatus.of(machine.toString());
        if (!status.isDirectory()) {
            throw new ErrnoException(Errno.ENOTDIR, machine + " cannot hold the emulation of LUO");
        }
        if (status.uid() != SELF) {
            throw new ErrnoException(
                    Errno.EPERM,
                    machine + " belongs to uid " + status.uid() + ", not to us (" + SELF
                            + "): no memory is taken from another user; name another directory");
        }
        if ((status.mode() & GROUP_AND_OTHER_WRITE) != 0) {
            throw new ErrnoException(
                    Errno.EPERM,
                    machine + " can be written to by others, and so could the memory in it; name another directory, or"
                            + " empty it and `chmod 700` it");
        }
    }

    private static Fd open(Path lock) {
        try {
            return Fd.open(lock.toString(), Fd.O_RDWR, 0);
        } catch (ErrnoException e) {
            List<Path> contents = list(lock.getParent());
            // Another process may have been first.
            if (e.is(Errno.ENOENT) && !contents.isEmpty() && !contents.contains(lock)) {
                throw new ErrnoException(
                        Errno.ENOTEMPTY,
                        lock.getParent() + " holds something else than an emulation of LUO; name another directory");
            }
            return Fd.open(lock.toString(), Fd.O_RDWR | Fd.O_CREAT, 0600);
        }
    }

    /** The current kernel's directory, with all litter swept up; the first kernel's, if there was none. */
    private static Path current(Path machine) {
        Path link = machine.resolve(CURRENT);
        if (Files.exists(link)) {
            Path current =
                    machine.resolve(attempt(() -> Files.readSymbolicLink(link)).getFileName());
            sweep(machine, current);
            return current;
        }
        sweep(machine, link);
        Path first = create(machine.resolve(KERNEL + 1));
        makeCurrent(first);
        return first;
    }

    private static void sweep(Path machine, Path current) {
        for (Path entry : list(machine)) {
            String name = entry.getFileName().toString();
            boolean litter = name.equals(TRASH) || name.equals(NEXT_CURRENT) || name.startsWith(KERNEL);
            if (name.equals(TRASH) && Files.exists(current)) {
                deleteTrash(entry, current);
            } else if (litter && !entry.equals(current)) {
                delete(entry);
            }
        }
    }

    private static Path create(Path kernel) {
        Names.mkdir(kernel, 0700);
        for (String part : List.of("outgoing", "incoming", "held")) {
            Names.mkdir(kernel.resolve(part), 0700);
        }
        return kernel;
    }

    private static void makeCurrent(Path kernel) {
        Path link = kernel.resolveSibling(NEXT_CURRENT);
        Names.symlink(kernel.getFileName(), link);
        Names.rename(link, kernel.resolveSibling(CURRENT));
    }

    /** What tells this kernel from those before and after it. */
    Path path() {
        return path;
    }

    /** The place of an outgoing session, whether it is there or not. */
    SessionDirectory outgoing(SessionName name) {
        return new SessionDirectory(path.resolve("outgoing").resolve(name.asFileName()));
    }

    /** The place of an incoming session, whether it is there or not. */
    SessionDirectory incoming(SessionName name) {
        return new SessionDirectory(path.resolve("incoming").resolve(name.asFileName()));
    }

    /** All outgoing sessions that live; those of the dead are buried on the way. */
    List<SessionDirectory> outgoing() {
        return list(path.resolve("outgoing")).stream()
                .map(SessionDirectory::new)
                .filter(session -> !buried(session))
                .toList();
    }

    /** All incoming sessions that somebody has retrieved and not closed. */
    List<SessionDirectory> retrieved() {
        return list(path.resolve("incoming")).stream()
                .map(SessionDirectory::new)
                .filter(SessionDirectory::isOpen)
                .toList();
    }

    /** Whether a session was closed, by its holder or by the holder's death; then it is gone from here. */
    boolean buried(SessionDirectory session) {
        if (session.isOpen()) {
            return false;
        }
        discard(session.path());
        return true;
    }

    /** Deletes a file or a tree, as a whole; nothing if it is not there. LUO lets go of the files that it held for it. */
    void discard(Path tree) {
        if (!Files.exists(tree, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        Path trash = machine.resolve(TRASH);
        Names.rename(tree, trash);
        deleteTrash(trash, path);
    }

    /** First what leads to what is in it. */
    private static void deleteTrash(Path trash, Path kernel) {
        for (Path link : linksTo(trash, kernel)) {
            if (!Files.exists(link)) {
                attempt(() -> Files.deleteIfExists(link));
            }
        }
        delete(trash);
    }

    /**
     * Links that may have led to what is trash now: an outgoing file tells which, of thousands; an incoming one does not, so then it
     * is all of them.
     */
    private static List<Path> linksTo(Path trash, Path kernel) {
        List<Path> links = new ArrayList<>();
        for (Path record : records(trash)) {
            Optional<FileId> file = OutgoingFile.idIn(record);
            if (file.isEmpty()) {
                return list(kernel.resolve("held"));
            }
            links.add(held(kernel, file.get()));
        }
        return links;
    }

    private static List<Path> records(Path trash) {
        return attempt(() -> {
            try (Stream<Path> all = Files.walk(trash)) {
                return all.filter(file -> Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS))
                        .filter(SessionDirectory::mayBeRecord)
                        .toList();
            }
        });
    }

    /** Whether LUO has the file, in any session that lives. */
    boolean holds(FileId file) {
        Path link = held(file);
        if (!Files.exists(link)) {
            return false;
        }
        Path record =
                link.resolveSibling(attempt(() -> Files.readSymbolicLink(link))).normalize();
        return !buried(new SessionDirectory(record.getParent().getParent()));
    }

    /** Notes that LUO has the file, as the session's file {@code record}. */
    void hold(FileId file, Path record) {
        Path link = held(file);
        attempt(() -> Files.deleteIfExists(link));
        Names.symlink(Path.of("..").resolve(path.relativize(record)), link);
    }

    private Path held(FileId file) {
        return held(path, file);
    }

    private static Path held(Path kernel, FileId file) {
        return kernel.resolve("held")
                .resolve((file.device() >>> 32) + ":" + (file.device() & 0xffffffffL) + ":" + file.inode());
    }

    /** A kernel to be, with nothing in it: no more than litter until {@link #boot}. */
    EmulatedKernel next() {
        int number = Integer.parseInt(path.getFileName().toString().substring(KERNEL.length()));
        Path next = machine.resolve(KERNEL + (number + 1));
        create(next);
        return new EmulatedKernel(machine, lock, next);
    }

    /** Makes {@code next} the kernel that runs. This one is litter now, with its sessions and their files. */
    void boot(EmulatedKernel next) {
        makeCurrent(next.path);
    }

    /** Deletes what {@link #next} made, if it did not become the kernel that runs. */
    void abandon(EmulatedKernel next) {
        delete(next.path);
    }

    @Override
    public void close() {
        lock.close();
    }

    /** What is in a directory, in the order of names. */
    static List<Path> list(Path directory) {
        return attempt(() -> {
            try (Stream<Path> entries = Files.list(directory)) {
                return entries.sorted().toList();
            }
        });
    }

    private static void delete(Path tree) {
        attempt(() -> {
            try (Stream<Path> all = Files.walk(tree)) {
                all.sorted(Comparator.reverseOrder()).forEach(path -> attempt(() -> Files.deleteIfExists(path)));
            }
            return tree;
        });
    }

    private interface FileOperation<T> {
        T run() throws IOException;
    }

    private static <T> T attempt(FileOperation<T> operation) {
        try {
            return operation.run();
        } catch (IOException e) {
            throw new ErrnoException(Errno.EIO, "the emulation's directory: " + e);
        } catch (UncheckedIOException e) {
            throw new ErrnoException(Errno.EIO, "the emulation's directory: " + e.getCause());
        }
    }
}
