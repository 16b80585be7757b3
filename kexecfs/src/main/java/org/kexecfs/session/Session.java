package org.kexecfs.session;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.luo.LiveUpdate;
import org.kexecfs.luo.LiveUpdateSession;
import org.kexecfs.manifest.Bytes;
import org.kexecfs.manifest.Name;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.Time;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A session: named files that outlive a kexec.
 *
 * <p>Its life:
 *
 * <ol>
 *   <li>{@link #open}: LUO is asked for an incoming session of the name. There is none: the session begins, empty, in
 *       {@link State#NORMAL}, and LUO's outgoing session of that name is taken.
 *   <li>Entries come and go: {@link #create} makes new memory, {@link #adopt} takes a caller's open file. Each change is
 *       in the manifest before anyone sees it.
 *   <li>{@link #prepare}: the manifest and every entry are handed to LUO, all or none: {@link State#PREPARED}.
 *       Bytes may still be written; names and sizes are fixed. {@link #cancel} takes everything back.
 *   <li>kexec. In the next kernel {@link #open} finds the incoming session, reads the manifest and retrieves the entries:
 *       {@link State#UPDATED}.
 *   <li>{@link #finish}: LUO's hold ends, and the session is {@link State#NORMAL} again, for the next time.
 * </ol>
 *
 * <p>Unhappy ends: a prepare that fails leaves the state normal and nothing held. What cannot be restored or
 * understood leads to {@link State#FAILED}: what could be restored is there to read, {@link #error} says what happened, and
 * finish goes on with what there is. {@link #close} at any time lets LUO drop what it holds.
 *
 * <p>Locks: {@code lock} guards everything but the bytes of files; it is the only one here and taken before those of
 * {@link LiveUpdate}. Bytes move under no lock (see {@link OpenFile}). Listeners are called outside it.
 */
public final class Session implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(Session.class);

    /** Room in the manifest for what is recorded while LUO has frozen its size. */
    private static final long FROZEN_ROOM = 64 * 1024;

    private static final String WHAT_TO_DO =
            "; what could be restored can be read here: finish goes on with that, and drops the rest";

    private final String name;
    private final Preserved preserved;
    private final Entries entries;
    private final ReentrantReadWriteLock lock = new ReentrantReadWriteLock();
    private final List<Runnable> listeners = new CopyOnWriteArrayList<>();
    private boolean closed;
    private volatile State state;
    private volatile String error;

    private Session(String name, Preserved preserved, Entries entries, State state, String error) {
        this.name = name;
        this.preserved = preserved;
        this.entries = entries;
        this.state = state;
        this.error = error;
    }

    /**
     * Opens a session: the one that the kernel before left, or a new one.
     *
     * @param luo where it is preserved
     * @param name 1 to 63 bytes of UTF-8, no slash, no NUL, not {@code .} or {@code ..}
     * @param settings limits, and the root's owner and mode
     * @param host where new entries live, and who else has files
     * @throws ErrnoException EINVAL for the name; EEXIST if somebody else has a session of that name; EBUSY if the device
     *     was held by others for too long; ENOENT, EACCES and others of {@link LiveUpdate}. A LUO that fails with EIO leads
     *     to a session in {@link State#FAILED} instead
     */
    public static Session open(LiveUpdate luo, String name, Settings settings, Host host) {
        Preserved preserved = new Preserved(luo, name);
        try {
            return open(preserved, name, settings, host);
        } catch (RuntimeException e) {
            preserved.close();
            throw e;
        }
    }

    private static Session open(Preserved preserved, String name, Settings settings, Host host) {
        try {
            Optional<LiveUpdateSession> incoming = preserved.retrieve();
            if (incoming.isPresent()) {
                Optional<Recovery> recovery = recover(incoming.get(), name, settings);
                if (recovery.isPresent()) {
                    return restored(preserved, name, recovery.get(), settings, host);
                }
                preserved.accept();
            }
            preserved.reserve();
            Entries entries = new Entries(Recovery.fresh(name, settings), settings, host);
            return new Session(name, preserved, entries, State.NORMAL, "");
        } catch (ErrnoException e) {
            if (!e.is(Errno.EIO)) {
                throw e;
            }
            String why =
                    "LUO does not work until the next reboot, for this kernel could not understand what the last one"
                            + " handed over; nothing could be restored: " + e.getMessage();
            return restored(preserved, name, Recovery.lost(name, settings, why), settings, host);
        }
    }

    /** Whatever goes wrong: LUO's session stays open, for closing it frees what was not retrieved. */
    private static Optional<Recovery> recover(LiveUpdateSession incoming, String name, Settings settings) {
        try {
            return Recovery.of(incoming, name, settings);
        } catch (RuntimeException e) {
            log.error("session {} could not be restored", name, e);
            return Optional.of(Recovery.lost(name, settings, "the session could not be restored: " + e.getMessage()));
        }
    }

    private static Session restored(Preserved preserved, String name, Recovery recovery, Settings settings, Host host) {
        Entries entries = new Entries(recovery, settings, host);
        if (recovery.damage().isPresent()) {
            return new Session(
                    name, preserved, entries, State.FAILED, recovery.damage().get() + WHAT_TO_DO);
        }
        entries.applySettings();
        return new Session(name, preserved, entries, State.UPDATED, "");
    }

    // ---- what there is

    /** Its name. */
    public String name() {
        return name;
    }

    /** Where it is in its life. */
    public State state() {
        return state;
    }

    /** How many updates it has been through. */
    public long cycle() {
        return reading(() -> entries.tree().cycle());
    }

    /** The last failure in words; empty if the last transition, or the restore, was good. */
    public String error() {
        return error;
    }

    /** {@code /dev/liveupdate}, or {@code emulated DIR}. */
    public String backend() {
        return preserved.toString();
    }

    /** Calls {@code listener} after each change of the state, on the thread that changed it. */
    public void onStateChange(Runnable listener) {
        listeners.add(listener);
    }

    /** stat(2): ENOENT, ENOTDIR. */
    public Stat stat(EntryPath path) {
        return reading(() -> entries.stat(path));
    }

    Stat stat(OpenFile open) {
        return reading(() -> entries.stat(open));
    }

    /** What is in a directory, by name: ENOENT, ENOTDIR. */
    public Map<Name, Stat> list(EntryPath directory) {
        return reading(() -> entries.list(directory));
    }

    /** Every name of every entry, a directory's own before those in it. */
    public List<Listed> files() {
        return reading(() -> entries.files(isHeld()));
    }

    /** What it holds, and its limits. */
    public Usage usage() {
        return reading(entries::usage);
    }

    // ---- entries

    /**
     * Makes an empty file (open(2) with O_CREAT | O_EXCL) and opens it.
     *
     * @param path its name, in a directory that is there
     * @param mode permission bits, the umask applied
     * @param uid its owner
     * @param gid its group, unless the directory is set-gid
     * @throws ErrnoException EEXIST, ENOENT, ENOTDIR; EPERM for a reserved name; ENOSPC past the limit of entries; EBUSY or EIO
     *     from the state
     */
    public OpenFile create(EntryPath path, int mode, int uid, int gid) {
        return opened(changing(Operation.NAMESPACE, () -> entries.create(path, mode, uid, gid)));
    }

    /**
     * Preserves a caller's open file under a name: the file itself, not a copy.
     *
     * @param file the open file; its duplicate is kept, and {@code file} stays the caller's
     * @param path the name; if this session has the file already, a second name of the same entry
     * @param mode permission bits for others who open it here
     * @param uid owner
     * @param gid group
     * @throws ErrnoException EOPNOTSUPP if LUO cannot preserve such a file; and as {@link #create}
     */
    public void adopt(Fd file, EntryPath path, int mode, int uid, int gid) {
        Preservable.check(file);
        changing(Operation.NAMESPACE, () -> entries.adopt(file, path, mode, uid, gid));
    }

    /** link(2): a second name for a file. EPERM for a directory; and as {@link #create}. */
    public void link(EntryPath existing, EntryPath path) {
        changing(Operation.NAMESPACE, () -> entries.link(existing, path));
    }

    /** mkdir(2): errors as {@link #create}. */
    public void mkdir(EntryPath path, int mode, int uid, int gid) {
        changing(Operation.NAMESPACE, () -> entries.mkdir(path, mode, uid, gid));
    }

    /**
     * Opens a file.
     *
     * @param write whether it is to be written
     * @throws ErrnoException ENOENT, ENOTDIR, EISDIR; EIO if it was not restored; EACCES if the open file that was linked
     *     cannot be written
     */
    public OpenFile open(EntryPath path, boolean write) {
        return opened(reading(() -> entries.open(path, write)));
    }

    /** truncate(2): EISDIR, and as {@link OpenFile#truncate}. */
    public void truncate(EntryPath path, long size) {
        try (OpenFile file = open(path, true)) {
            file.truncate(size);
        }
    }

    /** unlink(2): EISDIR for a directory. Whoever has the file open keeps it. */
    public void unlink(EntryPath path) {
        changing(Operation.UNLINK, () -> entries.unlink(path));
    }

    /** rmdir(2): ENOTDIR, ENOTEMPTY. */
    public void rmdir(EntryPath path) {
        changing(Operation.UNLINK, () -> entries.rmdir(path));
    }

    /**
     * renameat2(2), in one step.
     *
     * @param how what becomes of an entry that has the new name
     * @throws ErrnoException EISDIR, ENOTDIR, ENOTEMPTY, EEXIST as renameat2(2) has them; EINVAL for a directory into itself;
     *     and as {@link #create}
     */
    public void rename(EntryPath from, EntryPath to, Rename how) {
        changing(Operation.NAMESPACE, () -> entries.rename(from, to, how));
    }

    /** rename(2): what has the new name is replaced. */
    public void rename(EntryPath from, EntryPath to) {
        rename(from, to, Rename.REPLACE);
    }

    /** chmod(2). */
    public void chmod(EntryPath path, int mode) {
        changing(Operation.NAMESPACE, () -> entries.change(path, node -> node.withMode(mode & 07777)));
    }

    /** chown(2); an empty owner or group stays. */
    public void chown(EntryPath path, Optional<Integer> uid, Optional<Integer> gid) {
        changing(
                Operation.NAMESPACE,
                () -> entries.change(path, node -> node.withOwner(uid.orElse(node.uid()), gid.orElse(node.gid()))));
    }

    /** utimensat(2); a time that is null stays. */
    public void setTimes(EntryPath path, Time accessed, Time modified) {
        changing(Operation.NAMESPACE, () -> entries.setTimes(path, accessed, modified));
    }

    /** The extended attributes of an entry, names and values, kexecfs's own with them: ENOENT, ENOTDIR. */
    public SortedMap<Bytes, Bytes> xattrs(EntryPath path) {
        return reading(() -> entries.xattrs(path, isHeld()));
    }

    /**
     * setxattr(2), of {@code user.*}.
     *
     * @param flags XATTR_CREATE, XATTR_REPLACE, or 0
     * @throws ErrnoException EOPNOTSUPP for another namespace; EPERM for kexecfs's own; EEXIST, ENODATA by the flags; EINVAL
     *     for what {@code user.kexecfs.requires} cannot be; ERANGE, E2BIG, ENOSPC for sizes; and from the state
     */
    public void setXattr(EntryPath path, Bytes attribute, Bytes value, int flags) {
        changing(Operation.NAMESPACE, () -> entries.setXattr(path, attribute, value, flags));
    }

    /** removexattr(2): ENODATA if it is not there; and as {@link #setXattr}. */
    public void removeXattr(EntryPath path, Bytes attribute) {
        changing(Operation.NAMESPACE, () -> entries.removeXattr(path, attribute));
    }

    /** Refuses, with the table's errno, what would change a size in this state. */
    void checkResize(BooleanSupplier resizes) {
        if (StateTable.answer(state, Operation.RESIZE) instanceof StateTable.Refused && resizes.getAsBoolean()) {
            StateTable.check(state, Operation.RESIZE);
        }
    }

    /** Whether sizes are fixed, and by us alone: LUO's device freezes those of what it holds itself. */
    boolean guardsSizes() {
        boolean frozenByLuo = state == State.PREPARED && !preserved.emulated();
        return StateTable.answer(state, Operation.RESIZE) instanceof StateTable.Refused && !frozenByLuo;
    }

    // ---- transitions

    /**
     * Hands every entry to LUO, or none.
     *
     * @throws ErrnoException EBUSY, EIO from the state; the errno of the entry that LUO refuses. {@link #error} says which
     */
    public void prepare() {
        transition(Operation.PREPARE);
    }

    /** Takes every entry back: EINVAL if nothing is prepared. */
    public void cancel() {
        transition(Operation.CANCEL);
    }

    /**
     * Accepts what was restored; from {@link State#FAILED}, what could be.
     *
     * @param unclaimed what becomes of restored files that nobody has opened since
     * @throws ErrnoException EINVAL if there was no update; EBUSY if LUO cannot finish yet, or a file is unclaimed and must
     *     not be
     */
    public void finish(Finish unclaimed) {
        transition(Operation.FINISH, unclaimed);
    }

    private void transition(Operation operation) {
        transition(operation, Finish.KEEP);
    }

    private void transition(Operation operation, Finish unclaimed) {
        lock.writeLock().lock();
        boolean changed;
        try {
            requireOpen();
            changed = switch (StateTable.answer(state, operation)) {
                case StateTable.Refused refused -> {
                    StateTable.check(state, operation);
                    throw new AssertionError(refused);
                }
                case StateTable.Go go -> {
                    work(go.work(), unclaimed);
                    state = go.next();
                    error = "";
                    yield true;
                }
                case StateTable.Done done -> false;
                case StateTable.Allowed allowed -> false;
            };
        } catch (ErrnoException e) {
            error = operation.name().toLowerCase(java.util.Locale.ROOT) + ": " + e.getMessage();
            throw e;
        } finally {
            lock.writeLock().unlock();
        }
        if (changed) {
            log.info("session {}: {}", name, state);
            listeners.forEach(Runnable::run);
        }
    }

    private void work(StateTable.Work work, Finish unclaimed) {
        switch (work) {
            case HAND_OVER -> handOver();
            case TAKE_BACK -> preserved.takeBack();
            case ACCEPT -> accept(unclaimed);
            case DROP_AND_ACCEPT -> {
                if (unclaimed != Finish.RELEASE) {
                    requireRestored();
                }
                // In this order: when LUO or STRICT refuses, nothing was dropped.
                accept(unclaimed);
                entries.drop(entries::isLost);
            }
        }
    }

    private void handOver() {
        Requirements requirements = Requirements.of(entries.tree());
        requirements.missing().ifPresent(missing -> {
            throw new ErrnoException(
                    Errno.ENOENT,
                    "entry " + missing.entry() + " requires " + missing.required() + ", which is not there");
        });
        entries.recordTimes();
        entries.manifest().reserve(FROZEN_ROOM);
        List<Long> tokens = entries.all().stream().map(Entry::token).toList();
        try {
            preserved.handOver(entries.manifest().memfd(), entries.inOrder(requirements.inOrder(tokens)));
        } catch (EntryRefused e) {
            throw new ErrnoException(e.reason(), "entry " + entries.tree().pathOf(e.token()) + " cannot be preserved");
        }
    }

    private void accept(Finish unclaimed) {
        if (unclaimed == Finish.STRICT) {
            requireClaimed();
        }
        preserved.accept();
        if (unclaimed == Finish.RELEASE) {
            entries.drop(entry -> entry.status().equals(Status.RESTORED));
        }
        entries.all().forEach(entry -> entry.status(Status.LINKED));
    }

    private void requireClaimed() {
        entries.all().stream()
                .filter(entry -> entry.status().equals(Status.RESTORED))
                .findFirst()
                .ifPresent(entry -> {
                    throw new ErrnoException(
                            Errno.EBUSY,
                            "entry " + entries.tree().pathOf(entry.token()) + " is restored and nobody has opened it");
                });
    }

    private void requireRestored() {
        Set<Long> lost =
                entries.all().stream().filter(entries::isLost).map(Entry::token).collect(Collectors.toSet());
        Requirements.of(entries.tree()).unmet(lost).ifPresent(unmet -> {
            throw new ErrnoException(
                    Errno.EBUSY,
                    "entry " + entries.tree().pathOf(unmet.entry()) + " requires "
                            + entries.tree().pathOf(unmet.required())
                            + ", which was not restored; unlink one of them, or finish with release");
        });
    }

    /**
     * Asks and changes in one step, with no change by others in between: for who must check a right on the way to an
     * entry before acting on it.
     *
     * @param what no transition: listeners must be called outside the lock
     */
    public <T> T atomically(Supplier<T> what) {
        lock.writeLock().lock();
        try {
            return what.get();
        } finally {
            lock.writeLock().unlock();
        }
    }

    /** Ends the session: LUO drops what it holds, and files that nobody else has open are gone. Again is nothing. */
    @Override
    public void close() {
        lock.writeLock().lock();
        try {
            if (!closed) {
                closed = true;
                preserved.close();
                entries.close();
            }
        } finally {
            lock.writeLock().unlock();
        }
    }

    // ---- how changes are made

    /** LUO holds every entry. */
    private boolean isHeld() {
        return state == State.PREPARED;
    }

    private OpenFile opened(Entries.Opened opened) {
        return new OpenFile(this, opened.node(), opened.file());
    }

    private <T> T reading(Supplier<T> what) {
        lock.readLock().lock();
        try {
            requireOpen();
            return what.get();
        } finally {
            lock.readLock().unlock();
        }
    }

    private <T> T changing(Operation operation, Supplier<T> what) {
        lock.writeLock().lock();
        try {
            requireOpen();
            StateTable.check(state, operation);
            return what.get();
        } finally {
            lock.writeLock().unlock();
        }
    }

    private void requireOpen() {
        if (closed) {
            throw new ErrnoException(Errno.EIO, "session " + name + " has ended");
        }
    }
}
