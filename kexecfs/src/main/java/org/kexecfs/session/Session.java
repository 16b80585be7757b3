package org.kexecfs.session;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.function.Supplier;
import org.kexecfs.keep.KeptLiveUpdate;
import org.kexecfs.luo.LiveUpdate;
import org.kexecfs.manifest.Bytes;
import org.kexecfs.manifest.Name;
import org.kexecfs.manifest.Node;
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
 * <p>With {@link Settings.Preserve#AT_LINK} LUO has the manifest, and each file from its link or close on, in
 * {@link State#NORMAL} already: a kexec leads to {@link State#UPDATED} without prepare. Whoever changes the size of a file has
 * it taken back first, and handed over again ({@link OpenFile#sync}).
 *
 * <p>Unhappy ends: a prepare that fails leaves the state normal and nothing held. What cannot be restored or
 * understood leads to {@link State#FAILED}: what could be restored is there to read, {@link #error} says what happened, and
 * finish goes on with what there is. {@link #close} at any time lets LUO drop what it holds.
 *
 * <p>The locks, and their order, are {@link Life}'s; what is under none is told in {@link Sizes}. Who asks for the root's attributes, or
 * the usage, waits for a lock a moment only ({@link LastKnown}).
 */
public final class Session implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(Session.class);

    private final Life life;
    private final KeptLiveUpdate luo;
    private final Entries entries;
    private final Sizes sizes;
    private final Handover handover;
    private final LastKnown<Stat> root;
    private final LastKnown<Usage> usage;

    Session(Life life, KeptLiveUpdate luo, Entries entries, Handover handover) {
        this.life = life;
        this.luo = luo;
        this.entries = entries;
        this.sizes = new Sizes(life, entries, luo);
        this.handover = handover;
        this.root = life.lastKnown(() -> entries.stat(EntryPath.ROOT));
        this.usage = life.lastKnown(entries::usage);
    }

    /**
     * Opens a session: the one that a process before left, or that the kernel before left, or a new one.
     *
     * @param device where it is preserved
     * @param name 1 to 63 bytes of UTF-8, no slash, no NUL, not {@code .} or {@code ..}; up to 43 if its files are
     *     preserved each at once
     * @param settings limits, the root's owner and mode, and when files are preserved
     * @param host where new entries live, who else has files, and where everything is kept
     * @throws ErrnoException EINVAL for the name; EEXIST if somebody else has a session of that name; EBUSY if the device
     *     was held by others for too long; ENOENT, EACCES and others of {@link LiveUpdate}. A LUO that fails with EIO leads
     *     to a session in {@link State#FAILED} instead
     */
    public static Session open(LiveUpdate device, String name, Settings settings, Host host) {
        Opening opening = new Opening(device, name, settings, host);
        opening.tidy();
        return opening.open();
    }

    // ---- what there is

    /** Its name. */
    public String name() {
        return life.name();
    }

    /** Where it is in its life. */
    public State state() {
        return life.state();
    }

    /** How many updates it has been through. */
    public long cycle() {
        return life.reading(() -> entries.tree().cycle());
    }

    /** The last failure in words; empty if the last transition, or the restore, was good. */
    public String error() {
        return life.error();
    }

    /** {@code /dev/liveupdate}, or {@code emulated DIR}. */
    public String backend() {
        return luo.toString();
    }

    /** Calls {@code listener} after each change of the state, on the thread that changed it. */
    public void onStateChange(Runnable listener) {
        life.onStateChange(listener);
    }

    /** stat(2): ENOENT, ENOTDIR. */
    public Stat stat(EntryPath path) {
        return path.isRoot() ? root.get() : life.reading(() -> entries.stat(path));
    }

    Stat stat(OpenFile open) {
        return life.reading(() -> entries.stat(open));
    }

    /** What is in a directory, by name: ENOENT, ENOTDIR. */
    public Map<Name, Stat> list(EntryPath directory) {
        return life.reading(() -> entries.list(directory));
    }

    /** Every name of every entry, a directory's own before those in it. */
    public List<Listed> files() {
        return life.reading(() -> entries.files());
    }

    /** What it holds, and its limits. */
    public Usage usage() {
        return usage.get();
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
        return opened(life.changing(Operation.NAMESPACE, () -> entries.create(path, mode, uid, gid)), true);
    }

    /**
     * Preserves a caller's open file under a name: the file itself, not a copy.
     *
     * @param file the open file; its duplicate is kept, and {@code file} stays the caller's
     * @param path the name; if this session has the file already, a second name of the same entry
     * @param mode permission bits for others who open it here
     * @param uid owner
     * @param gid group
     * @throws ErrnoException EOPNOTSUPP if LUO cannot preserve such a file; and as {@link #create}; LUO's errno if it is to
     *     have the file at once, and there is no such entry then
     */
    public void adopt(Fd file, EntryPath path, int mode, int uid, int gid) {
        Preservable.check(file);
        life.changing(Operation.NAMESPACE, () -> linked(entries.adopt(file, path, mode, uid, gid), path));
    }

    /** LUO has what was linked, or there is no such name. */
    private Node linked(Node node, EntryPath path) {
        try {
            sizes.hold(node.token());
            return node;
        } catch (RuntimeException e) {
            entries.unlink(path);
            throw e;
        }
    }

    /** link(2): a second name for a file. EPERM for a directory; and as {@link #create}. */
    public void link(EntryPath existing, EntryPath path) {
        life.changing(Operation.NAMESPACE, () -> linked(entries.link(existing, path), path));
    }

    /** mkdir(2): errors as {@link #create}. */
    public void mkdir(EntryPath path, int mode, int uid, int gid) {
        life.changing(Operation.NAMESPACE, () -> entries.mkdir(path, mode, uid, gid));
    }

    /**
     * Opens a file.
     *
     * @param write whether it is to be written
     * @throws ErrnoException ENOENT, ENOTDIR, EISDIR; EIO if it was not restored; EACCES if the open file that was linked
     *     cannot be written
     */
    public OpenFile open(EntryPath path, boolean write) {
        return opened(life.reading(() -> entries.open(path, write)), write);
    }

    /** truncate(2): EISDIR, and as {@link OpenFile#truncate}. */
    public void truncate(EntryPath path, long size) {
        try (OpenFile file = open(path, true)) {
            file.truncate(size);
        }
    }

    /** unlink(2): EISDIR for a directory. Whoever has the file open keeps it. */
    public void unlink(EntryPath path) {
        life.changing(Operation.UNLINK, () -> entries.unlink(path));
    }

    /** rmdir(2): ENOTDIR, ENOTEMPTY. */
    public void rmdir(EntryPath path) {
        life.changing(Operation.UNLINK, () -> entries.rmdir(path));
    }

    /**
     * renameat2(2), in one step.
     *
     * @param how what becomes of an entry that has the new name
     * @throws ErrnoException EISDIR, ENOTDIR, ENOTEMPTY, EEXIST as renameat2(2) has them; EINVAL for a directory into itself;
     *     and as {@link #create}
     */
    public void rename(EntryPath from, EntryPath to, Rename how) {
        life.changing(Operation.NAMESPACE, () -> entries.rename(from, to, how));
    }

    /** rename(2): what has the new name is replaced. */
    public void rename(EntryPath from, EntryPath to) {
        rename(from, to, Rename.REPLACE);
    }

    /** chmod(2). */
    public void chmod(EntryPath path, int mode) {
        life.changing(Operation.NAMESPACE, () -> entries.change(path, node -> node.withMode(mode & 07777)));
    }

    /** chown(2); an empty owner or group stays. */
    public void chown(EntryPath path, Optional<Integer> uid, Optional<Integer> gid) {
        life.changing(
                Operation.NAMESPACE,
                () -> entries.change(path, node -> node.withOwner(uid.orElse(node.uid()), gid.orElse(node.gid()))));
    }

    /** utimensat(2); a time that is null stays. */
    public void setTimes(EntryPath path, Time accessed, Time modified) {
        life.changing(Operation.NAMESPACE, () -> entries.setTimes(path, accessed, modified));
    }

    /** The extended attributes of an entry, names and values, kexecfs's own with them: ENOENT, ENOTDIR. */
    public SortedMap<Bytes, Bytes> xattrs(EntryPath path) {
        return life.reading(() -> entries.xattrs(path));
    }

    /**
     * setxattr(2), of {@code user.*}.
     *
     * @param flags XATTR_CREATE, XATTR_REPLACE, or 0
     * @throws ErrnoException EOPNOTSUPP for another namespace; EPERM for kexecfs's own; EEXIST, ENODATA by the flags; EINVAL
     *     for what {@code user.kexecfs.requires} cannot be; ERANGE, E2BIG, ENOSPC for sizes; and from the state
     */
    public void setXattr(EntryPath path, Bytes attribute, Bytes value, int flags) {
        life.changing(Operation.NAMESPACE, () -> entries.setXattr(path, attribute, value, flags));
    }

    /** removexattr(2): ENODATA if it is not there; and as {@link #setXattr}. */
    public void removeXattr(EntryPath path, Bytes attribute) {
        life.changing(Operation.NAMESPACE, () -> entries.removeXattr(path, attribute));
    }

    /** Whether LUO is handed each file at once. */
    public boolean preservesEach() {
        return entries.held().isEachAtOnce();
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
        life.transition(operation, go -> {
            handover.settle();
            work(go.work(), unclaimed);
            life.alone(() -> {
                life.reach(go.next());
                handover.follow(go.work());
            });
        });
    }

    /**
     * What LUO has let go of is free when this returns, and the state is what it was. (What is accepted LUO has let go of by its own
     * FINISH; and incoming and outgoing names are apart.)
     */
    private void work(StateTable.Work work, Finish unclaimed) {
        try {
            life.alone(() -> handover.work(work, unclaimed));
        } catch (ErrnoException e) {
            if (work == StateTable.Work.HAND_OVER) {
                handover.settle();
                life.alone(handover::reserve);
            }
            throw e;
        }
        if (work == StateTable.Work.TAKE_BACK) {
            handover.settle();
        }
    }

    /**
     * Asks and changes in one step, with no change by others in between: for who must check a right on the way to an
     * entry before acting on it.
     *
     * @param what no transition: listeners must be called outside the lock
     */
    public <T> T atomically(Supplier<T> what) {
        return life.alone(what);
    }

    /**
     * Hands the session to the next kernel, whatever state it is in, and ends it here: LUO's sessions stay on the shelf, for
     * whoever brings them through the kexec that is coming. What was restored and is not accepted yet is accepted first. What
     * LUO refuses is left behind, which the log tells, and the next kernel: the session is {@link State#FAILED} there. Again is
     * nothing, and so is {@link #close} after it.
     *
     * @throws ErrnoException as {@link #finish} and {@link #prepare}: nothing is handed over then, and it goes on
     */
    public void leave() {
        life.inTurn(() -> {
            if (life.hasEnded()) {
                return;
            }
            if (StateTable.answer(life.state(), Operation.FINISH) instanceof StateTable.Go) {
                finish(Finish.LEAVE);
            }
            try {
                prepare();
            } catch (ErrnoException e) {
                prepareWhatCanBe(e);
            }
            life.end(handover::leave);
        });
    }

    /** What an all or nothing would lose wholly. */
    private void prepareWhatCanBe(ErrnoException refusal) {
        life.alone(() -> {
            List<String> refused = handover.handOverWhatCanBe();
            life.prepared();
            if (refused.isEmpty()) {
                log.error("session {}: {}; it is handed over as it is", name(), refusal.getMessage());
            }
            refused.forEach(entry -> log.error("session {}: an entry is lost in the kexec: {}", name(), entry));
        });
    }

    /**
     * Ends the session: LUO drops what it holds, and files that nobody else has open are gone, as soon as whoever keeps them has
     * closed them, too. Again is nothing.
     */
    @Override
    public void close() {
        life.end(handover::close);
    }

    private OpenFile opened(Entries.Opened opened, boolean writable) {
        return new OpenFile(this, sizes, opened.node(), opened.file(), writable);
    }
}
