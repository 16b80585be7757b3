package org.kexecfs.session;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.BooleanSupplier;
import java.util.function.Predicate;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.luo.LiveUpdate;
import org.kexecfs.luo.LiveUpdateSession;
import org.kexecfs.manifest.Bytes;
import org.kexecfs.manifest.Change;
import org.kexecfs.manifest.Kind;
import org.kexecfs.manifest.Manifest;
import org.kexecfs.manifest.Name;
import org.kexecfs.manifest.Node;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.FileId;
import org.kexecfs.posix.FileStatus;
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

    private final String name;
    private final Settings settings;
    private final Memory memory;
    private final Preserved preserved;
    private final Tree tree;
    private final Map<Long, Entry> entries;
    private final Map<FileId, Long> tokens = new HashMap<>();
    private final ReentrantReadWriteLock lock = new ReentrantReadWriteLock();
    private final List<Runnable> listeners = new CopyOnWriteArrayList<>();
    private Manifest manifest;
    private boolean closed;
    private volatile State state;
    private volatile String error;

    private Session(
            String name, Settings settings, Memory memory, Preserved preserved, Recovery recovery, State state) {
        this.name = name;
        this.settings = settings;
        this.memory = memory;
        this.preserved = preserved;
        this.tree = recovery.tree();
        this.entries = recovery.entries();
        this.manifest = recovery.manifest();
        this.state = state;
        this.error = recovery.damage().orElse("");
        entries.values().forEach(this::index);
    }

    /**
     * Opens a session: the one that the kernel before left, or a new one.
     *
     * @param luo where it is preserved
     * @param name 1 to 63 bytes of UTF-8, no slash, no NUL, not {@code .} or {@code ..}
     * @param settings limits, and the root's owner and mode
     * @param memory where new entries live
     * @throws ErrnoException EINVAL for the name; EEXIST if somebody else has a session of that name; EBUSY if the device
     *     was held by others for too long; ENOENT, EACCES and others of {@link LiveUpdate}. A LUO that fails with EIO leads
     *     to a session in {@link State#FAILED} instead
     */
    public static Session open(LiveUpdate luo, String name, Settings settings, Memory memory) {
        Preserved preserved = new Preserved(luo, name);
        try {
            Session session = open(preserved, name, settings, memory);
            session.applySettings();
            return session;
        } catch (RuntimeException e) {
            preserved.close();
            throw e;
        }
    }

    private static Session open(Preserved preserved, String name, Settings settings, Memory memory) {
        try {
            Optional<LiveUpdateSession> incoming = preserved.retrieve();
            if (incoming.isPresent()) {
                Optional<Recovery> recovery = Recovery.of(incoming.get(), name, settings);
                if (recovery.isPresent()) {
                    State state = recovery.get().damage().isEmpty() ? State.UPDATED : State.FAILED;
                    return new Session(name, settings, memory, preserved, recovery.get(), state);
                }
                preserved.accept();
            }
            preserved.reserve();
            return new Session(name, settings, memory, preserved, Recovery.fresh(name, settings), State.NORMAL);
        } catch (ErrnoException e) {
            if (!e.is(Errno.EIO)) {
                throw e;
            }
            String why =
                    "LUO does not work until the next reboot, for this kernel could not understand what the last one"
                            + " handed over; nothing could be restored: " + e.getMessage();
            return new Session(name, settings, memory, preserved, Recovery.lost(name, settings, why), State.FAILED);
        }
    }

    /** Mount options that are given outdo what the manifest says of the root. */
    private void applySettings() {
        if (state != State.NORMAL && state != State.UPDATED) {
            return;
        }
        Node root = tree.get(EntryPath.ROOT);
        Node wanted = root.withOwner(
                        settings.uid().orElse(root.uid()), settings.gid().orElse(root.gid()))
                .withMode(settings.mode().orElse(root.mode()));
        if (!wanted.equals(root)) {
            commit(List.of(new Change.Put(wanted)));
        }
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
        return reading(tree::cycle);
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
        return reading(() -> stat(tree.get(path)));
    }

    Stat stat(OpenFile open) {
        return reading(() -> {
            Node node = open.opened();
            return tree.node(node.token())
                    .map(this::stat)
                    .orElseGet(
                            () -> Entry.file(node, open.file(), Status.LINKED).stat(node, 0));
        });
    }

    private Stat stat(Node node) {
        return entries.get(node.token()).stat(node, tree.links(node.token()));
    }

    /** What is in a directory, by name: ENOENT, ENOTDIR. */
    public Map<Name, Stat> list(EntryPath directory) {
        return reading(() -> {
            Map<Name, Stat> all = new java.util.LinkedHashMap<>();
            tree.children(tree.directory(directory).token())
                    .forEach((child, token) ->
                            all.put(child, stat(tree.node(token).orElseThrow())));
            return all;
        });
    }

    /** Every name of every entry, a directory's own before those in it. */
    public List<Listed> files() {
        return reading(() -> tree.names().stream()
                .map(named -> {
                    Entry entry = entries.get(named.token());
                    Kind kind = tree.node(named.token()).orElseThrow().kind();
                    return new Listed(named.token(), kind, entry.size(), status(entry), named.path());
                })
                .toList());
    }

    private Status status(Entry entry) {
        return state == State.PREPARED ? Status.PRESERVED : entry.status();
    }

    /** What it holds, and its limits. */
    public Usage usage() {
        return reading(() -> new Usage(tree.size(), bytes(), settings.inodes(), settings.size()));
    }

    private long bytes() {
        return entries.values().stream().mapToLong(Entry::size).sum();
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
        return changing(Operation.NAMESPACE, () -> {
            Node parent = parentOfNew(path);
            requireRoom(0);
            Fd file = memory.create();
            Fd opened = null;
            try {
                // First, for a lack of descriptors must leave nothing behind.
                opened = file.dup();
                return new OpenFile(this, add(path, parent, file, mode, uid, gid, false), opened);
            } catch (RuntimeException e) {
                file.close();
                if (opened != null) {
                    opened.close();
                }
                throw e;
            }
        });
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
        changing(Operation.NAMESPACE, () -> {
            Node parent = parentOfNew(path);
            FileStatus status = file.status();
            Long known = tokens.get(status.id());
            if (known != null) {
                return link(known, path, parent);
            }
            requireRoom(status.size());
            Fd kept = file.dup();
            try {
                boolean readOnly = (file.flags() & Fd.O_ACCMODE) == Fd.O_RDONLY;
                return add(path, parent, kept, mode, uid, gid, readOnly);
            } catch (RuntimeException e) {
                kept.close();
                throw e;
            }
        });
    }

    /** link(2): a second name for a file. EPERM for a directory; and as {@link #create}. */
    public void link(EntryPath existing, EntryPath path) {
        changing(Operation.NAMESPACE, () -> {
            Node node = tree.get(existing);
            if (node.kind() == Kind.DIRECTORY) {
                throw new ErrnoException(Errno.EPERM, existing + " is a directory");
            }
            return link(node.token(), path, parentOfNew(path));
        });
    }

    private Node link(long token, EntryPath path, Node parent) {
        commit(List.of(new Change.Link(parent.token(), path.name(), token)));
        entries.get(parent.token()).touchContents();
        entries.get(token).touch();
        return tree.node(token).orElseThrow();
    }

    private Node add(EntryPath path, Node parent, Fd file, int mode, int uid, int gid, boolean readOnly) {
        Node node = newNode(parent, Kind.FILE, mode, uid, gid, readOnly);
        commit(List.of(new Change.Put(node), new Change.Link(parent.token(), path.name(), node.token())));
        Entry entry = Entry.file(node, file, Status.LINKED);
        entries.put(node.token(), entry);
        index(entry);
        entries.get(parent.token()).touchContents();
        return node;
    }

    /** mkdir(2): errors as {@link #create}. */
    public void mkdir(EntryPath path, int mode, int uid, int gid) {
        changing(Operation.NAMESPACE, () -> {
            Node parent = parentOfNew(path);
            requireRoom(0);
            requireDepth(path.names().size());
            int inherited = parent.mode() & SET_GID;
            Node node = newNode(parent, Kind.DIRECTORY, mode | inherited, uid, gid, false);
            commit(List.of(new Change.Put(node), new Change.Link(parent.token(), path.name(), node.token())));
            entries.put(node.token(), Entry.directory(node));
            entries.get(parent.token()).touchContents();
            return node;
        });
    }

    private static final int SET_GID = 02000;

    private Node newNode(Node parent, Kind kind, int mode, int uid, int gid, boolean readOnly) {
        int group = (parent.mode() & SET_GID) != 0 ? parent.gid() : gid;
        return Node.of(manifest.allocateToken(), kind, uid, group, mode & 07777, Time.now(), readOnly);
    }

    private Node parentOfNew(EntryPath path) {
        requireOurs(path);
        Node parent = tree.directory(path.parent());
        if (tree.find(path).isPresent()) {
            throw new ErrnoException(Errno.EEXIST, path.toString());
        }
        return parent;
    }

    private static void requireOurs(EntryPath path) {
        if (Tree.isReserved(path.name())) {
            throw new ErrnoException(Errno.EPERM, path + ": names that begin with kexecfs. are reserved");
        }
    }

    private static void requireDepth(int depth) {
        if (depth > Tree.MAX_DEPTH) {
            throw new ErrnoException(
                    Errno.ENAMETOOLONG, "directories may be " + Tree.MAX_DEPTH + " below each other, and not more");
        }
    }

    private void requireRoom(long size) {
        if (settings.inodes() != 0 && tree.size() >= settings.inodes()) {
            throw new ErrnoException(Errno.ENOSPC, "nr_inodes=" + settings.inodes() + " are used");
        }
        if (settings.size() != 0 && size != 0 && bytes() + size > settings.size()) {
            throw new ErrnoException(Errno.ENOSPC, size + " bytes more than size=" + settings.size() + " allows");
        }
    }

    /**
     * Opens a file.
     *
     * @param write whether it is to be written
     * @throws ErrnoException ENOENT, ENOTDIR, EISDIR; EIO if it was not restored; EACCES if the open file that was linked
     *     cannot be written
     */
    public OpenFile open(EntryPath path, boolean write) {
        return reading(() -> {
            Node node = tree.get(path);
            Entry entry = entries.get(node.token());
            Fd file = fileOf(node, entry, path);
            if (write && node.readOnly()) {
                throw new ErrnoException(Errno.EACCES, path + ": the open file that was linked is read-only");
            }
            OpenFile open = new OpenFile(this, node, file.dup());
            entry.claim();
            return open;
        });
    }

    private static Fd fileOf(Node node, Entry entry, EntryPath path) {
        if (node.kind() == Kind.DIRECTORY) {
            throw new ErrnoException(Errno.EISDIR, path.toString());
        }
        return entry.file()
                .orElseThrow(() -> new ErrnoException(Errno.EIO, path + " was not restored: " + entry.status()));
    }

    /** truncate(2): EISDIR, and as {@link OpenFile#truncate}. */
    public void truncate(EntryPath path, long size) {
        try (OpenFile file = open(path, true)) {
            file.truncate(size);
        }
    }

    /** unlink(2): EISDIR for a directory. Whoever has the file open keeps it. */
    public void unlink(EntryPath path) {
        changing(Operation.UNLINK, () -> {
            Node node = tree.get(path);
            if (node.kind() == Kind.DIRECTORY) {
                throw new ErrnoException(Errno.EISDIR, path.toString());
            }
            return removeName(path, node);
        });
    }

    /** rmdir(2): ENOTDIR, ENOTEMPTY. */
    public void rmdir(EntryPath path) {
        changing(Operation.UNLINK, () -> {
            Node node = tree.directory(path);
            path.name();
            requireEmpty(node, path);
            return removeName(path, node);
        });
    }

    private void requireEmpty(Node directory, EntryPath path) {
        if (!tree.children(directory.token()).isEmpty()) {
            throw new ErrnoException(Errno.ENOTEMPTY, path.toString());
        }
    }

    private Node removeName(EntryPath path, Node node) {
        Node parent = tree.directory(path.parent());
        List<Change> changes = new ArrayList<>(List.of(new Change.Unlink(parent.token(), path.name())));
        addRemoveOfLastName(node, changes);
        commit(changes);
        dropIfGone(node.token());
        entries.get(parent.token()).touchContents();
        return node;
    }

    private void addRemoveOfLastName(Node node, Collection<Change> changes) {
        if (tree.nameCount(node.token()) == 1) {
            changes.add(new Change.Remove(node.token()));
        }
    }

    private void dropIfGone(long token) {
        if (tree.node(token).isEmpty()) {
            Entry entry = entries.remove(token);
            entry.file().ifPresent(file -> tokens.remove(file.status().id()));
            entry.close();
        } else {
            entries.get(token).touch();
        }
    }

    /**
     * renameat2(2), in one step.
     *
     * @param how what becomes of an entry that has the new name
     * @throws ErrnoException EISDIR, ENOTDIR, ENOTEMPTY, EEXIST as renameat2(2) has them; EINVAL for a directory into itself;
     *     and as {@link #create}
     */
    public void rename(EntryPath from, EntryPath to, Rename how) {
        changing(Operation.NAMESPACE, () -> {
            requireOurs(from);
            requireOurs(to);
            Node node = tree.get(from);
            Node fromParent = tree.directory(from.parent());
            Node toParent = tree.directory(to.parent());
            Optional<Node> other = how == Rename.EXCHANGE ? Optional.of(tree.get(to)) : tree.find(to);
            requireMovable(node, from, to);
            if (other.isPresent() && how == Rename.NOREPLACE) {
                throw new ErrnoException(Errno.EEXIST, to.toString());
            }
            if (other.isPresent() && other.get().token() == node.token()) {
                return node;
            }
            List<Change> changes = new ArrayList<>(List.of(new Change.Unlink(fromParent.token(), from.name())));
            if (how == Rename.EXCHANGE) {
                requireMovable(other.get(), to, from);
                changes.add(new Change.Unlink(toParent.token(), to.name()));
                changes.add(new Change.Link(
                        fromParent.token(), from.name(), other.get().token()));
            } else {
                other.ifPresent(old -> requireReplaceable(node, old, to));
            }
            changes.add(new Change.Link(toParent.token(), to.name(), node.token()));
            if (how != Rename.EXCHANGE) {
                other.ifPresent(old -> addRemoveOfLastName(old, changes));
            }
            commit(changes);
            other.ifPresent(old -> dropIfGone(old.token()));
            entries.get(node.token()).touch();
            entries.get(fromParent.token()).touchContents();
            entries.get(toParent.token()).touchContents();
            return node;
        });
    }

    /** rename(2): what has the new name is replaced. */
    public void rename(EntryPath from, EntryPath to) {
        rename(from, to, Rename.REPLACE);
    }

    private void requireMovable(Node node, EntryPath from, EntryPath to) {
        if (node.kind() != Kind.DIRECTORY) {
            return;
        }
        if (from.contains(to) && !from.equals(to)) {
            throw new ErrnoException(Errno.EINVAL, from + " cannot be moved into itself");
        }
        int height = tree.names().stream()
                .map(Tree.Named::path)
                .filter(from::contains)
                .mapToInt(path -> path.names().size())
                .max()
                .orElse(from.names().size());
        requireDepth(to.names().size() + height - from.names().size());
    }

    private void requireReplaceable(Node moved, Node old, EntryPath to) {
        if (old.kind() == Kind.DIRECTORY && moved.kind() == Kind.FILE) {
            throw new ErrnoException(Errno.EISDIR, to.toString());
        }
        if (old.kind() == Kind.FILE && moved.kind() == Kind.DIRECTORY) {
            throw new ErrnoException(Errno.ENOTDIR, to.toString());
        }
        if (old.kind() == Kind.DIRECTORY) {
            requireEmpty(old, to);
        }
    }

    /** chmod(2). */
    public void chmod(EntryPath path, int mode) {
        change(path, node -> node.withMode(mode & 07777));
    }

    /** chown(2); an empty owner or group stays. */
    public void chown(EntryPath path, Optional<Integer> uid, Optional<Integer> gid) {
        change(path, node -> node.withOwner(uid.orElse(node.uid()), gid.orElse(node.gid())));
    }

    private void change(EntryPath path, java.util.function.UnaryOperator<Node> changed) {
        changing(Operation.NAMESPACE, () -> {
            Node node = changed.apply(tree.get(path));
            commit(List.of(new Change.Put(node)));
            entries.get(node.token()).touch();
            return node;
        });
    }

    /** utimensat(2); a time that is null stays. */
    public void setTimes(EntryPath path, Time accessed, Time modified) {
        changing(Operation.NAMESPACE, () -> {
            Node node = tree.get(path);
            entries.get(node.token()).setTimes(accessed, modified);
            return node;
        });
    }

    /** The extended attributes of an entry, names and values, kexecfs's own with them: ENOENT, ENOTDIR. */
    public SortedMap<Bytes, Bytes> xattrs(EntryPath path) {
        return reading(() -> {
            Node node = tree.get(path);
            SortedMap<Bytes, Bytes> all = new TreeMap<>(node.xattrs());
            if (node.kind() == Kind.FILE) {
                all.put(Xattrs.TOKEN, Bytes.of(Long.toString(node.token())));
                all.put(
                        Xattrs.STATUS,
                        Bytes.of(status(entries.get(node.token())).toString()));
            }
            return all;
        });
    }

    /**
     * setxattr(2), of {@code user.*}.
     *
     * @param flags XATTR_CREATE, XATTR_REPLACE, or 0
     * @throws ErrnoException EOPNOTSUPP for another namespace; EPERM for kexecfs's own; EEXIST, ENODATA by the flags; EINVAL
     *     for what {@code user.kexecfs.requires} cannot be; ERANGE, E2BIG, ENOSPC for sizes; and from the state
     */
    public void setXattr(EntryPath path, Bytes attribute, Bytes value, int flags) {
        Xattrs.checkSet(attribute, value);
        change(path, node -> {
            Xattrs.checkFlags(attribute, node.xattrs().containsKey(attribute), flags);
            return node.withXattr(attribute, value);
        });
    }

    /** removexattr(2): ENODATA if it is not there; and as {@link #setXattr}. */
    public void removeXattr(EntryPath path, Bytes attribute) {
        Xattrs.checkNamespace(attribute);
        change(path, node -> {
            if (!node.xattrs().containsKey(attribute)) {
                throw new ErrnoException(Errno.ENODATA, path + " has no attribute " + attribute);
            }
            return node.withoutXattr(attribute);
        });
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
                drop(this::isLost);
            }
        }
    }

    private void handOver() {
        Requirements requirements = Requirements.of(tree);
        requirements.missing().ifPresent(missing -> {
            throw new ErrnoException(
                    Errno.ENOENT,
                    "entry " + missing.entry() + " requires " + missing.required() + ", which is not there");
        });
        recordTimes();
        manifest.reserve(FROZEN_ROOM);
        List<Entry> inOrder = requirements.inOrder(entries.keySet()).stream()
                .map(entries::get)
                .toList();
        try {
            preserved.handOver(manifest.memfd(), inOrder);
        } catch (EntryRefused e) {
            throw new ErrnoException(e.reason(), "entry " + tree.pathOf(e.token()) + " cannot be preserved");
        }
    }

    /** LUO keeps no times: the manifest must have them as they are at the last moment that it can be changed. */
    private void recordTimes() {
        List<Change> changes = new ArrayList<>();
        for (Node node : tree.nodes()) {
            Node current = entries.get(node.token()).withTimes(node);
            if (!current.equals(node)) {
                changes.add(new Change.Put(current));
            }
        }
        if (!changes.isEmpty()) {
            commit(changes);
        }
    }

    private void accept(Finish unclaimed) {
        if (unclaimed == Finish.STRICT) {
            requireClaimed();
        }
        preserved.accept();
        if (unclaimed == Finish.RELEASE) {
            drop(entry -> entry.status().equals(Status.RESTORED));
        }
        entries.values().forEach(entry -> entry.status(Status.LINKED));
    }

    private void requireClaimed() {
        entries.values().stream()
                .filter(entry -> entry.status().equals(Status.RESTORED))
                .findFirst()
                .ifPresent(entry -> {
                    throw new ErrnoException(
                            Errno.EBUSY,
                            "entry " + tree.pathOf(entry.token()) + " is restored and nobody has opened it");
                });
    }

    private void requireRestored() {
        Set<Long> lost =
                entries.values().stream().filter(this::isLost).map(Entry::token).collect(Collectors.toSet());
        Requirements.of(tree).unmet(lost).ifPresent(unmet -> {
            throw new ErrnoException(
                    Errno.EBUSY,
                    "entry " + tree.pathOf(unmet.entry()) + " requires " + tree.pathOf(unmet.required())
                            + ", which was not restored; unlink one of them, or finish with release");
        });
    }

    private boolean isLost(Entry entry) {
        return entry.file().isEmpty() && tree.node(entry.token()).orElseThrow().kind() == Kind.FILE;
    }

    /** Takes entries out, with all their names. */
    private void drop(Predicate<Entry> which) {
        Set<Long> dropped =
                entries.values().stream().filter(which).map(Entry::token).collect(Collectors.toSet());
        List<Change> changes = new ArrayList<>();
        tree.names().stream()
                .filter(named -> dropped.contains(named.token()))
                .forEach(
                        named -> changes.add(new Change.Unlink(named.directory().token(), named.name())));
        dropped.forEach(token -> changes.add(new Change.Remove(token)));
        if (!changes.isEmpty()) {
            commit(changes);
            dropped.forEach(this::dropIfGone);
        }
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
                entries.values().forEach(Entry::close);
                manifest.close();
            }
        } finally {
            lock.writeLock().unlock();
        }
    }

    // ---- how changes are made

    private void index(Entry entry) {
        entry.file().ifPresent(file -> tokens.put(file.status().id(), entry.token()));
    }

    /** Records changes, then makes them: a kill in between loses what nobody was told of. */
    private void commit(List<Change> changes) {
        manifest.append(changes);
        changes.forEach(tree::apply);
        if (manifest.worthCompacting()) {
            Manifest old = manifest;
            manifest = old.compacted(tree.snapshot());
            old.close();
        }
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
