package org.kexecfs.keep;

import java.nio.file.Path;
import java.util.Optional;
import java.util.Set;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.FileId;
import org.kexecfs.posix.ProcessId;
import org.kexecfs.posix.Shadow;

/**
 * The place of a directory's one keeper, and that keeper's shadow: what is in the keeper's table of descriptors is lost only
 * if both are killed.
 *
 * <p>Its life:
 *
 * <ol>
 *   <li>{@link #take}: {@code keeper.lock} is locked if there is a keeper, or the shadow of one that was killed. Who is keeper the record
 *       says ({@link ShadowRecord}), which one at a time reads and changes, who has it locked. A keeper that lives has the seat; a shadow
 *       without one is an {@link Orphan}, and whoever has the seat now takes what that has.
 *   <li>{@link #cast} starts our shadow, once all that the orphan has is in our table: from now on ours counts, and the orphan ends. Whoever was
 *       killed before, here or there: the next has one that counts, and has everything, and ends the other.
 *   <li>The shadow may be killed: {@link #shadowEnded}, and {@link #cast} again.
 *   <li>{@link #close}: the shadow ends, and the seat is free. A keeper that is killed does not come to that.
 * </ol>
 */
final class Seat implements AutoCloseable {
    private static final String LOCK = "keeper.lock";
    private static final String RECORD = "keeper.shadow";

    private final ShadowRecord record;
    private final Fd lock;
    private final int side;
    private final Index index = Index.create();

    /** Null if there is none, or none any more. */
    private Orphan orphan;

    /** Null while there is none. */
    private Shadow shadow;

    private Seat(ShadowRecord record, Fd lock, Orphan orphan) {
        this.record = record;
        this.lock = lock;
        this.orphan = orphan;
        this.side = orphan == null ? record.side() : 1 - record.side();
        record.keeper(ProcessId.own());
        byte[] pid = Fd.utf8(ProcessHandle.current().pid() + "\n");
        lock.pwrite(pid, 0);
        lock.truncate(pid.length);
        index.put(lock, Index.LOCK);
    }

    /**
     * Takes it.
     *
     * @param directory there, and its owner's alone
     * @throws ErrnoException EBUSY if a keeper lives; ENOSPC, EACCES for the directory
     */
    static Seat take(Path directory) {
        Path path = directory.resolve(LOCK);
        Fd lock = open(path);
        try (Fd gate = open(directory.resolve(RECORD))) {
            gate.lock();
            ShadowRecord record = new ShadowRecord(gate);
            if (lock.tryLock()) {
                record.clear();
                return new Seat(record, lock, null);
            }
            if (record.isKeeperRunning()) {
                throw new ErrnoException(Errno.EBUSY, "there is a keeper in " + directory);
            }
            Optional<Orphan> orphan = orphan(record, lock.id());
            if (orphan.isPresent()) {
                lock.close();
                return new Seat(record, orphan.get().lock(), orphan.get());
            }
            if (lock.tryLock()) {
                record.clear();
                return new Seat(record, lock, null);
            }
            throw new ErrnoException(Errno.EBUSY, path + " is locked, and not by a keeper");
        } catch (RuntimeException e) {
            lock.close();
            throw e;
        }
    }

    /** The shadow that counts; the other, of one who was killed while he did what we are about to do, ends. */
    private static Optional<Orphan> orphan(ShadowRecord record, FileId lock) {
        int side = record.side();
        try {
            Orphan.find(record, 1 - side, lock).ifPresent(Orphan::end);
            record.remove(1 - side);
            return Orphan.find(record, side, lock);
        } catch (ErrnoException e) {
            if (!e.is(Errno.EPERM)) {
                throw e;
            }
            // A daemon that lives has everything, too; without a keeper it would be worse off than with an empty one.
            Orphan.endUnseen(record, side);
            Orphan.endUnseen(record, 1 - side);
            return Optional.empty();
        }
    }

    /** The pids of who has the seat, or had it: the keeper and its shadow. None, if there never was one. */
    static Set<Integer> processes(Path directory) {
        try (Fd file = Fd.open(directory.resolve(RECORD).toString(), Fd.O_RDWR, 0)) {
            return new ShadowRecord(file).processes();
        } catch (ErrnoException e) {
            if (e.is(Errno.ENOENT)) {
                return Set.of();
            }
            throw e;
        }
    }

    private static Fd open(Path file) {
        return Fd.open(file.toString(), Fd.O_RDWR | Fd.O_CREAT, 0600);
    }

    /** What our descriptors are. */
    Index index() {
        return index;
    }

    /** The shadow of a keeper that was killed, whose seat this was, until {@link #cast}. */
    Optional<Orphan> orphan() {
        return Optional.ofNullable(orphan);
    }

    /**
     * Starts our shadow, which has all that we have from now on; the orphan is needed no more.
     *
     * @throws ErrnoException EAGAIN, ENOMEM: nothing has changed
     */
    void cast() {
        shadow = record.start(side, index);
        record.side(side);
        if (orphan != null) {
            orphan.end();
            orphan = null;
        }
        record.remove(1 - side);
    }

    /** Ready (POLLIN) once our shadow was killed; empty if we have none. */
    Optional<Fd> shadowEnded() {
        return Optional.ofNullable(shadow).map(Shadow::ended);
    }

    /** Lets go of a shadow that was killed. */
    void reap() {
        shadow.end();
        shadow = null;
    }

    @Override
    public void close() {
        if (shadow != null) {
            reap();
        }
        if (orphan != null) {
            orphan.close();
        }
        record.remove(side);
        index.close();
        lock.close();
    }
}
