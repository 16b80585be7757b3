package org.kexecfs.manifest;

import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;

/**
 * The record of a session: a log of changes in a memfd. Not thread-safe: the session's lock guards it.
 *
 * <p>Its life:
 * <ol>
 * <li>{@link #create} makes it with the session; the fd goes to the keeper, so that a crash finds it.
 * <li>{@link #append} records each change, before the session acts on it in LUO. A kill at any point leaves a log with all of an
 *     append's changes or none.
 * <li>When {@link #worthCompacting}, {@link #compacted} makes a second manifest of the state alone; the session puts it in the
 *     place of the first (keeper, LUO), and closes the first.
 * <li>Before LUO freezes the file's size, {@link #reserve} makes room for what is recorded while it is frozen.
 * <li>After a crash or a kexec, {@link #read} gives it back and tells every change.
 * </ol>
 */
public final class Manifest implements AutoCloseable {
    /**
     * What reading gave.
     *
     * @param manifest the log, for more changes; if there is damage it takes none, and is there to be kept, copied or replaced by a
     *     {@link #compacted} one
     * @param damage what is wrong with it and what to do, in words; empty if the log was understood in full
     */
    public record Recovered(Manifest manifest, Optional<String> damage) {}

    /** A manifest in {@link Format#NEWEST}; see {@link #create(String, Format)}. */
    public static Manifest create(String session) {
        return create(session, Format.NEWEST);
    }

    /**
     * A new manifest, in a new memfd {@code kexecfs:SESSION}.
     *
     * @param session the session's name, 1 to {@value Bounds#SESSION} bytes of UTF-8
     * @param format what to write
     * @throws ErrnoException EINVAL for the name; EMFILE, ENFILE, ENOMEM
     */
    public static Manifest create(String session, Format format) {
        throw new UnsupportedOperationException();
    }

    /**
     * Reads a manifest and takes over its fd. Never fails for what it reads: bad content is told as damage, and all changes before
     * it have been applied. Bytes that a kill left behind the last append are no damage.
     *
     * @param memfd the manifest; ours from here on
     * @param session the name it must have been made for
     * @param apply takes each change in order; may throw {@link BrokenChange}, which ends the reading with that as damage
     * @throws ErrnoException if the file cannot be read at all (statx(2), pread(2)); it is closed then
     */
    public static Recovered read(Fd memfd, String session, Consumer<Change> apply) {
        throw new UnsupportedOperationException();
    }

    /**
     * A token that this session never had, 1 to {@link Bounds#TOKEN}. Record it ({@link Change.Put}) before LUO hears of it: only
     * a recorded one is known to be used after a crash.
     *
     * @throws ErrnoException ENOSPC when there is none left
     */
    public long allocateToken() {
        throw new UnsupportedOperationException();
    }

    /**
     * Records changes, all or none, whatever happens. Costs as much as the changes are long.
     *
     * @throws ErrnoException and nothing is recorded: ENOSPC if the log would pass {@link Bounds#LOG} (compact it), EPERM if it
     *     must grow and its size is frozen, EIO if it is damaged, or pwrite(2)'s own
     */
    public void append(List<Change> changes) {
        throw new UnsupportedOperationException();
    }

    /** Whether the log has grown to twice the state it began with, so that {@link #compacted} pays. */
    public boolean worthCompacting() {
        throw new UnsupportedOperationException();
    }

    /**
     * A second manifest of the same session with the state alone, and what this build keeps without knowing it. This one stays as it
     * is: until the caller has put the new one in its place, it is the one that counts.
     *
     * @param snapshot changes that make the whole state from an empty root
     * @throws ErrnoException as {@link #create} and {@link #append}
     */
    public Manifest compacted(Stream<Change> snapshot) {
        throw new UnsupportedOperationException();
    }

    /**
     * Grows the file, so that changes of {@code bytes} in all (as {@link #append} writes them) fit without growing it.
     *
     * @param bytes 0 to {@link Bounds#LOG}
     * @throws ErrnoException EPERM if its size is frozen, ENOSPC past {@link Bounds#LOG}
     */
    public void reserve(long bytes) {
        throw new UnsupportedOperationException();
    }

    /** Its file, to preserve and to keep; closed with the manifest. */
    public Fd memfd() {
        throw new UnsupportedOperationException();
    }

    @Override
    public void close() {
        throw new UnsupportedOperationException();
    }
}
