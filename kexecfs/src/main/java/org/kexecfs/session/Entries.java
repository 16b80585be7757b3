package org.kexecfs.session;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.manifest.Absence;
import org.kexecfs.manifest.Bytes;
import org.kexecfs.manifest.Change;
import org.kexecfs.manifest.Kind;
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
 * The entries of a session, as a filesystem has them: names, attributes, and the open files with their bytes.
 *
 * <p>What each method does and throws is told where the session offers
 * it, in {@link Session}; states, and the lock that guards all of this, are the session's.
 */
final class Entries implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(Entries.class);

    private static final int SET_GID = 02000;
    private static final int MODE = 07777;

    private final Settings settings;
    private final Memory memory;
    private final Ownership ownership;
    private final Kept kept;
    private final Limits limits;
    private final Journal journal;
    private final HeldEntries held;

    /** The journal's. */
    private final Tree tree;

    private final Map<Long, Entry> entries;
    private final Map<FileId, Long> tokens = new HashMap<>();

    /** A file that was opened: what it was then, and a descriptor of the caller's own. */
    record Opened(Node node, Fd file) {}

    Entries(Recovery recovery, Preserved preserved, Kept kept, Settings settings, Host host) {
        this.settings = settings;
        this.memory = host.memory();
        this.ownership = host.ownership();
        this.kept = kept;
        this.limits = new Limits(settings);
        this.journal = new Journal(recovery, preserved, kept);
        this.tree = journal.tree();
        this.entries = recovery.entries();
        this.held = new HeldEntries(journal, preserved, entries);
        entries.values().forEach(this::index);
    }

    Tree tree() {
        return tree;
    }

    /** The file of the manifest. */
    Fd manifest() {
        return journal.manifest();
    }

    /** All of them, the root included. */
    Collection<Entry> all() {
        return entries.values();
    }

    /** What LUO has of them. */
    HeldEntries held() {
        return held;
    }

    /** Mount options that are given outdo what the manifest says of the root. */
    void applySettings() {
        Node root = tree.get(EntryPath.ROOT);
        Node wanted = root.withOwner(
                        settings.uid().orElse(root.uid()), settings.gid().orElse(root.gid()))
                .withMode(settings.mode().orElse(root.mode()));
        if (!wanted.equals(root)) {
            journal.commit(List.of(new Change.Put(wanted)));
        }
    }

    Stat stat(EntryPath path) {
        return stat(tree.get(path));
    }

    Stat stat(OpenFile open) {
        Node node = open.opened();
        return tree.node(node.token())
                .map(this::stat)
                .orElseGet(() -> Entry.file(node, open.file(), Status.LINKED).stat(node, 0));
    }

    private Stat stat(Node node) {
        return entries.get(node.token()).stat(node, tree.links(node.token()));
    }

    Map<Name, Stat> list(EntryPath directory) {
        Map<Name, Stat> all = new LinkedHashMap<>();
        tree.children(tree.directory(directory).token())
                .forEach((child, token) -> all.put(child, stat(tree.node(token).orElseThrow())));
        return all;
    }

    List<Listed> files() {
        return tree.names().stream()
                .map(named -> {
                    Entry entry = entries.get(named.token());
                    Kind kind = tree.node(named.token()).orElseThrow().kind();
                    return new Listed(named.token(), kind, entry.size(), held.status(entry), named.path());
                })
                .toList();
    }

    Usage usage() {
        return new Usage(tree.size(), Limits.bytes(entries.values()), settings.inodes(), settings.size());
    }

    Opened create(EntryPath path, int mode, int uid, int gid) {
        Node parent = parentOfNew(path);
        limits.letIn(entries.values(), 0);
        Fd file = memory.create();
        Fd opened = null;
        try {
            // First, for a lack of descriptors must leave nothing behind.
            opened = file.dup();
            return new Opened(add(path, parent, file, mode, uid, gid, false), opened);
        } catch (RuntimeException e) {
            file.close();
            if (opened != null) {
                opened.close();
            }
            throw e;
        }
    }

    Node adopt(Fd file, EntryPath path, int mode, int uid, int gid) {
        Node parent = parentOfNew(path);
        FileStatus status = file.status();
        Long known = tokens.get(status.id());
        if (known != null) {
            return link(known, path, parent);
        }
        limits.letIn(entries.values(), status.size());
        Fd kept = file.dup();
        try {
            boolean readOnly = (file.flags() & Fd.O_ACCMODE) == Fd.O_RDONLY;
            return add(path, parent, kept, mode, uid, gid, readOnly);
        } catch (RuntimeException e) {
            kept.close();
            throw e;
        }
    }

    Node link(EntryPath existing, EntryPath path) {
        Node node = tree.get(existing);
        if (node.kind() == Kind.DIRECTORY) {
            throw new ErrnoException(Errno.EPERM, existing + " is a directory");
        }
        return link(node.token(), path, parentOfNew(path));
    }

    private Node link(long token, EntryPath path, Node parent) {
        commitIn(List.of(parent), List.of(new Change.Link(parent.token(), path.name(), token)));
        entries.get(token).touch();
        return tree.node(token).orElseThrow();
    }

    private Node add(EntryPath path, Node parent, Fd file, int mode, int uid, int gid, boolean readOnly) {
        Node node = newNode(parent, Kind.FILE, mode, uid, gid, readOnly);
        FileId id = file.id();
        if (!ownership.take(id)) {
            throw new ErrnoException(Errno.EBUSY, path + ": another session has this open file");
        }
        try {
            kept.entry(node.token(), file);
            commitIn(
                    List.of(parent),
                    List.of(new Change.Put(node), new Change.Link(parent.token(), path.name(), node.token())));
        } catch (RuntimeException e) {
            kept.forget(node.token());
            ownership.release(id);
            throw e;
        }
        entries.put(node.token(), Entry.file(node, file, Status.LINKED));
        tokens.put(id, node.token());
        return node;
    }

    Node mkdir(EntryPath path, int mode, int uid, int gid) {
        Node parent = parentOfNew(path);
        limits.letIn(entries.values(), 0);
        requireDepth(path.names().size());
        int inherited = parent.mode() & SET_GID;
        Node node = newNode(parent, Kind.DIRECTORY, mode | inherited, uid, gid, false);
        commitIn(
                List.of(parent),
                List.of(new Change.Put(node), new Change.Link(parent.token(), path.name(), node.token())));
        entries.put(node.token(), Entry.directory(node));
        return node;
    }

    private Node newNode(Node parent, Kind kind, int mode, int uid, int gid, boolean readOnly) {
        int group = (parent.mode() & SET_GID) != 0 ? parent.gid() : gid;
        Node node = Node.of(journal.allocateToken(), kind, uid, group, mode & MODE, Time.now(), readOnly);
        return kind == Kind.FILE && held.isEachAtOnce() ? node.withAbsence(Absence.NEW) : node;
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

    Opened open(EntryPath path, boolean write) {
        Node node = tree.get(path);
        Entry entry = entries.get(node.token());
        Fd file = fileOf(node, entry, path);
        if (write && node.readOnly()) {
            throw new ErrnoException(Errno.EACCES, path + ": the open file that was linked is read-only");
        }
        Opened opened = new Opened(node, file.dup());
        if (entry.claim()) {
            kept.claimed(node.token());
        }
        return opened;
    }

    private static Fd fileOf(Node node, Entry entry, EntryPath path) {
        if (node.kind() == Kind.DIRECTORY) {
            throw new ErrnoException(Errno.EISDIR, path.toString());
        }
        return entry.file()
                .orElseThrow(() -> new ErrnoException(Errno.EIO, path + " was not restored: " + entry.status()));
    }

    Node unlink(EntryPath path) {
        Node node = tree.get(path);
        if (node.kind() == Kind.DIRECTORY) {
            throw new ErrnoException(Errno.EISDIR, path.toString());
        }
        return removeName(path, node);
    }

    Node rmdir(EntryPath path) {
        Node node = tree.directory(path);
        path.name();
        requireEmpty(node, path);
        return removeName(path, node);
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
        commitIn(List.of(parent), changes);
        dropIfGone(node.token());
        return node;
    }

    private void addRemoveOfLastName(Node node, Collection<Change> changes) {
        if (tree.nameCount(node.token()) == 1) {
            changes.add(new Change.Remove(node.token()));
        }
    }

    private void dropIfGone(long token) {
        if (tree.node(token).isEmpty()) {
            held.letGo(token);
            Entry entry = entries.remove(token);
            entry.file().ifPresent(file -> {
                FileId id = file.id();
                tokens.remove(id);
                ownership.release(id);
                kept.forget(token);
            });
            entry.close();
        } else {
            entries.get(token).touch();
        }
    }

    Node rename(EntryPath from, EntryPath to, Rename how) {
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
            changes.add(
                    new Change.Link(fromParent.token(), from.name(), other.get().token()));
        } else {
            other.ifPresent(old -> requireReplaceable(node, old, to));
        }
        changes.add(new Change.Link(toParent.token(), to.name(), node.token()));
        if (how != Rename.EXCHANGE) {
            other.ifPresent(old -> addRemoveOfLastName(old, changes));
        }
        commitIn(fromParent.token() == toParent.token() ? List.of(fromParent) : List.of(fromParent, toParent), changes);
        other.ifPresent(old -> dropIfGone(old.token()));
        entries.get(node.token()).touch();
        return node;
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

    /** Changes the attributes of an entry. */
    Node change(EntryPath path, UnaryOperator<Node> changed) {
        Node node = changed.apply(tree.get(path));
        journal.commit(List.of(new Change.Put(node)));
        entries.get(node.token()).touch();
        return node;
    }

    Node setTimes(EntryPath path, Time accessed, Time modified) {
        Node node = tree.get(path);
        entries.get(node.token()).setTimes(accessed, modified);
        held.timesSet(node);
        return node;
    }

    SortedMap<Bytes, Bytes> xattrs(EntryPath path) {
        Node node = tree.get(path);
        SortedMap<Bytes, Bytes> all = new TreeMap<>(node.xattrs());
        if (node.kind() == Kind.FILE) {
            all.put(Xattrs.TOKEN, Bytes.of(Long.toString(node.token())));
            all.put(
                    Xattrs.STATUS,
                    Bytes.of(held.status(entries.get(node.token())).toString()));
        }
        return all;
    }

    Node setXattr(EntryPath path, Bytes attribute, Bytes value, int flags) {
        Xattrs.checkSet(attribute, value);
        return change(path, node -> {
            Xattrs.checkFlags(attribute, node.xattrs().containsKey(attribute), flags);
            return node.withXattr(attribute, value);
        });
    }

    Node removeXattr(EntryPath path, Bytes attribute) {
        Xattrs.checkNamespace(attribute);
        return change(path, node -> {
            if (!node.xattrs().containsKey(attribute)) {
                throw new ErrnoException(Errno.ENODATA, path + " has no attribute " + attribute);
            }
            return node.withoutXattr(attribute);
        });
    }

    // ---- what is kept

    /** Everything is on the shelf when this returns. */
    void keep() {
        Map<Long, Fd> files = new HashMap<>();
        entries.values().forEach(entry -> entry.file().ifPresent(file -> files.put(entry.token(), file)));
        kept.entries(files);
        journal.keep();
    }

    /** A token above those of all entries that there are. */
    long nextToken() {
        return journal.nextToken();
    }

    // ---- what becomes of them

    /** Whether it is a file that could not be restored. */
    boolean isLost(Entry entry) {
        return entry.file().isEmpty() && tree.node(entry.token()).orElseThrow().kind() == Kind.FILE;
    }

    /** Takes entries out, with all their names. */
    void drop(Predicate<Entry> which) {
        Set<Long> dropped =
                entries.values().stream().filter(which).map(Entry::token).collect(Collectors.toSet());
        if (!dropped.isEmpty()) {
            journal.commit(tree.removal(dropped));
            dropped.forEach(this::dropIfGone);
        }
    }

    private void index(Entry entry) {
        entry.file().ifPresent(file -> {
            FileId id = file.id();
            tokens.put(id, entry.token());
            if (!ownership.take(id)) {
                // LUO gave it to us, so the other is wrong; and a restore does not fail for that.
                log.warn("the file of token {} is in another session, too", entry.token());
            }
        });
    }

    /** {@link Journal#commit} of changes in these directories: their times change with it, and have no other record. */
    private void commitIn(List<Node> directories, List<Change> changes) {
        Time now = Time.now();
        List<Change> all = new ArrayList<>();
        directories.forEach(directory ->
                all.add(new Change.Put(entries.get(directory.token()).touched(directory, now))));
        // Last, for what is removed at the end of a log may still be LUO's (Recovery).
        all.addAll(changes);
        journal.commit(all);
        directories.forEach(directory -> entries.get(directory.token()).touchContents(now));
    }

    @Override
    public void close() {
        entries.values().forEach(entry -> {
            entry.file().ifPresent(_ -> kept.forget(entry.token()));
            entry.close();
        });
        journal.close();
    }
}
