package org.kexecfs.manifest;

import java.nio.charset.StandardCharsets;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.stream.Stream;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;

/**
 * The record of a session: a log of changes in a memfd. Not thread-safe: the session's lock guards it.
 *
 * <p>Its life:
 * <ol>
 * <li>{@link #create} makes it with the session; the fd goes to the keeper, so that a crash finds it.
 * <li>{@link #append} records each change, before the session acts on it in LUO. A kill at any point leaves a log with
 *     all of an append's changes or none.
 * <li>When {@link #worthCompacting}, {@link #compacted} makes a second manifest of the state alone; the session puts it
 *     in the place of the first (keeper, LUO), and closes the first.
 * <li>Before LUO freezes the file's size, {@link #reserve} makes room for what is recorded while it is frozen;
 *     {@link #room} is what is left of it.
 * <li>After a crash or a kexec, {@link #read} gives it back and tells every change.
 * </ol>
 */
public final class Manifest implements AutoCloseable {
    private static final int COMPACT_FROM = 64 << 10;
    private static final int PIECE = 1 << 20;

    private final Fd memfd;
    private final Log log;
    private final Header header;
    private final List<byte[]> kept;
    private final long whole;
    private final Optional<String> damage;
    private long nextToken;

    /**
     * What reading gave.
     *
     * @param manifest the log, for more changes; if there is damage it takes none, and is there to be kept, copied or
     *     replaced by a {@link #compacted} one
     * @param damage what is wrong with it and what to do, in words; empty if the log was understood in full
     */
    public record Recovered(Manifest manifest, Optional<String> damage) {}

    private Manifest(
            Fd memfd, Log log, Header header, List<byte[]> kept, long whole, long nextToken, Optional<String> damage) {
        this.memfd = memfd;
        this.log = log;
        this.header = header;
        this.kept = kept;
        this.whole = whole;
        this.nextToken = nextToken;
        this.damage = damage;
    }

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
        Header header = Header.of(session, format);
        Fd memfd = memfd(session);
        return begin(memfd, memfd::pwrite, header, List.of(), Stream.empty());
    }

    /**
     * Reads a manifest and takes over its fd. Never fails for what it reads: bad content is told as damage, and all
     * changes before it have been applied. Bytes that a kill left behind the last append are no damage.
     *
     * @param memfd the manifest; ours from here on
     * @param session the name it must have been made for
     * @param apply takes each change in order; may throw {@link BrokenChange}, which ends the reading with that as
     *     damage
     * @throws ErrnoException if the file cannot be read at all (pread(2)), or EINVAL for the name; it is closed then
     */
    public static Recovered read(Fd memfd, String session, Consumer<Change> apply) {
        return read(memfd, memfd::pwrite, session, apply);
    }

    static Recovered read(Fd memfd, Pwrite memory, String session, Consumer<Change> apply) {
        return orClose(memfd, () -> {
            Recovery recovery = Recovery.of(memfd, session, apply);
            Log log = new Log(memfd, memory, recovery.committed());
            Manifest manifest = new Manifest(
                    memfd,
                    log,
                    recovery.header(),
                    recovery.kept(),
                    0, // What it began with is not known any more: one compaction too many is the price.
                    recovery.nextToken(),
                    recovery.damage());
            return new Recovered(manifest, recovery.damage());
        });
    }

    /** A manifest that holds a state, all of it or, after a kill, nothing. */
    static Manifest begin(Fd memfd, Pwrite memory, Header header, List<byte[]> kept, Stream<Change> state) {
        return orClose(memfd, () -> {
            Log log = new Log(memfd, memory, 0);
            log.begin(new Frames().add(header.encode()));
            Frames frames = new Frames();
            kept.forEach(frames::add);
            long nextToken = header.nextToken();
            for (Iterator<Change> changes = state.iterator(); changes.hasNext(); ) {
                Change change = changes.next();
                nextToken = Math.max(nextToken, change.used() + 1);
                frames.add(Records.encode(change));
                if (frames.length() >= PIECE) {
                    log.write(frames);
                    frames.clear();
                }
            }
            log.write(frames);
            log.commit();
            return new Manifest(memfd, log, header, kept, log.length(), nextToken, Optional.empty());
        });
    }

    /**
     * A token that this session never had, 1 to {@link Bounds#TOKEN}. Record it ({@link Change.Put}) before LUO hears
     * of it: only a recorded one is known to be used after a crash.
     *
     * @throws ErrnoException ENOSPC when there is none left
     */
    public long allocateToken() {
        if (nextToken > Bounds.TOKEN) {
            throw new ErrnoException(Errno.ENOSPC, "the session has used its last token");
        }
        return nextToken++;
    }

    /** What {@link #allocateToken} gives next: every token that the session has or had is below it. */
    public long nextToken() {
        return nextToken;
    }

    /**
     * Records changes, all or none, whatever happens. Costs as much as the changes are long.
     *
     * @throws ErrnoException and nothing is recorded: ENOSPC if the log would pass {@link Bounds#LOG} (compact it),
     *     EPERM if it must grow and its size is frozen, EIO if it is damaged, or pwrite(2)'s own
     */
    public void append(List<Change> changes) {
        damage.ifPresent(why -> {
            throw new ErrnoException(Errno.EIO, why);
        });
        log.append(frames(changes));
        for (Change change : changes) {
            nextToken = Math.max(nextToken, change.used() + 1);
        }
    }

    private static Frames frames(List<Change> changes) {
        Frames frames = new Frames();
        changes.forEach(change -> frames.add(Records.encode(change)));
        return frames;
    }

    /** Whether the log has grown to twice the state it began with, so that {@link #compacted} pays. */
    public boolean worthCompacting() {
        return log.length() >= Math.max(COMPACT_FROM, 2 * whole);
    }

    /**
     * {@link #compacted(Stream, Format)} in the format that this one has, or the newest if that is not known.
     *
     * @param snapshot changes that make the whole state from an empty root
     */
    public Manifest compacted(Stream<Change> snapshot) {
        return compacted(snapshot, header.toWrite());
    }

    /**
     * A second manifest of the same session with the state alone, and what this build keeps without knowing it. This
     * one stays as it is: until the caller has put the new one in its place, it is the one that counts.
     *
     * @param snapshot changes that make the whole state from an empty root
     * @param format what to write: an older one before a kexec into an older kexecfs
     * @throws ErrnoException as {@link #create} and {@link #append}
     */
    public Manifest compacted(Stream<Change> snapshot, Format format) {
        Fd fresh = memfd(new String(header.session().toArray(), StandardCharsets.UTF_8));
        return begin(fresh, fresh::pwrite, header.rewritten(format, nextToken), kept, snapshot);
    }

    /**
     * Grows the file, so that changes of {@code bytes} in all fit without growing it. A change takes some 100 bytes,
     * and its names and extended attributes.
     *
     * @param bytes 0 to {@link Bounds#LOG}
     * @throws ErrnoException EPERM if its size is frozen, ENOSPC past {@link Bounds#LOG}
     */
    public void reserve(long bytes) {
        log.reserve(bytes);
    }

    /** Bytes that can be recorded without growing the file: see {@link #sizeOf}. */
    public long room() {
        return log.room();
    }

    /** Bytes that {@code changes} take in the log. */
    public static long sizeOf(List<Change> changes) {
        return frames(changes).length();
    }

    /** How many bytes of the file count. */
    public long length() {
        return log.length();
    }

    /** How often it was {@link #compacted}: of two manifests of a session, the one of the higher generation counts. */
    public long generation() {
        return header.generation();
    }

    /** Its file, to preserve and to keep; closed with the manifest. */
    public Fd memfd() {
        return memfd;
    }

    @Override
    public void close() {
        memfd.close();
    }

    private static Fd memfd(String session) {
        return Fd.memfd("kexecfs:" + session);
    }

    private static <T> T orClose(Fd memfd, Supplier<T> work) {
        try {
            return work.get();
        } catch (RuntimeException e) {
            memfd.close();
            throw e;
        }
    }
}
