package org.kexecfs.fuse;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.Fd;
import org.kexecfs.session.State;

/**
 * What a mount is, in the simplest words: paths, what they lead to, and one state. Each operation answers as its system call
 * does, with "0", a number, or an errno's name; the order of the checks is the VFS's, then that of interface.md.
 */
final class MountModel {
    private static final String OK = "0";
    private static final String REQUIRES = "user.kexecfs.requires";

    /** A time that the clock has set, and so the model does not know. */
    private static final long UNKNOWN = -1;

    static final int HANDLES = 3;
    static final int MEMFDS = 2;

    /** Memory: what all names, open files and memfds of it share. */
    private static final class Content {
        private byte[] bytes = {};
        private long modified = UNKNOWN;
        private int frozenSize;
        private long frozenModified = UNKNOWN;

        private void resize(long size) {
            bytes = Arrays.copyOf(bytes, (int) size);
            modified = UNKNOWN;
        }

        private void put(long at, byte[] what) {
            if (at + what.length > bytes.length) {
                resize(at + what.length);
            }
            System.arraycopy(what, 0, bytes, (int) at, what.length);
            modified = UNKNOWN;
            frozenModified = UNKNOWN;
        }

        private Content copy() {
            Content copy = new Content();
            copy.bytes = bytes.clone();
            return copy;
        }
    }

    /** An entry. */
    private static final class Thing {
        private final boolean directory;
        private Content content;
        private int mode;
        private int uid;
        private int gid;
        private String status = "linked";

        /** With preserve=link: LUO has it now, and has had it. */
        private boolean held;

        private boolean wasHeld;
        private long directoryModified = UNKNOWN;
        private final Map<String, String> xattrs = new TreeMap<>();

        private Thing(boolean directory, Content content, int mode) {
            this.directory = directory;
            this.content = content;
            this.mode = mode;
        }

        private boolean isLost() {
            return !directory && (status.equals("missing") || status.startsWith("error"));
        }

        private void claim() {
            if (status.equals("restored")) {
                status = "claimed";
            }
        }
    }

    /** An open file; one that passes through is not asked about what the state allows. */
    private record Handle(Thing thing, int flags, boolean passes) {
        private boolean writes() {
            return (flags & Fd.O_ACCMODE) != Fd.O_RDONLY;
        }
    }

    private final boolean passthrough;
    private final boolean each;
    private final Map<String, Thing> names = new TreeMap<>();
    private final Handle[] handles = new Handle[HANDLES];
    private final Content[] memfds = new Content[MEMFDS];
    private State state = State.NORMAL;

    /** @param each preserve=link: LUO has each file at all times, but while its size may change */
    MountModel(boolean passthrough, boolean each) {
        this.passthrough = passthrough;
        this.each = each;
        for (int i = 0; i < MEMFDS; i++) {
            memfds[i] = new Content();
        }
    }

    State state() {
        return state;
    }

    // ---- what the VFS finds on its way

    private static String no(Errno errno) {
        return errno.name();
    }

    private static String parent(String path) {
        int slash = path.lastIndexOf('/');
        return slash < 0 ? "" : path.substring(0, slash);
    }

    private static boolean isReserved(String path) {
        return path.substring(path.lastIndexOf('/') + 1).startsWith("kexecfs.");
    }

    /** What is wrong on the way to a path's last component. */
    private Optional<String> way(String path) {
        for (int slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) {
            Thing thing = names.get(path.substring(0, slash));
            if (thing == null) {
                return Optional.of(no(Errno.ENOENT));
            }
            if (!thing.directory) {
                return Optional.of(no(Errno.ENOTDIR));
            }
        }
        return Optional.empty();
    }

    /** What is wrong with a path that must lead to something. */
    private Optional<String> missing(String path) {
        return way(path).or(() -> names.containsKey(path) ? Optional.empty() : Optional.of(no(Errno.ENOENT)));
    }

    /** What is wrong with a path that must lead to nothing yet. */
    private Optional<String> taken(String path) {
        return way(path).or(() -> names.containsKey(path) ? Optional.of(no(Errno.EEXIST)) : Optional.empty());
    }

    private Optional<String> reserved(String path) {
        return isReserved(path) ? Optional.of(no(Errno.EPERM)) : Optional.empty();
    }

    // ---- what the table of section 5 says

    private Optional<String> changes() {
        return switch (state) {
            case NORMAL, UPDATED -> Optional.empty();
            case PREPARED -> Optional.of(no(Errno.EBUSY));
            case FAILED -> Optional.of(no(Errno.EIO));
        };
    }

    private Optional<String> removes() {
        return state == State.PREPARED ? Optional.of(no(Errno.EBUSY)) : Optional.empty();
    }

    private Optional<String> resizes() {
        return switch (state) {
            case NORMAL, UPDATED -> Optional.empty();
            case PREPARED -> Optional.of(no(Errno.EPERM));
            case FAILED -> Optional.of(no(Errno.EIO));
        };
    }

    // ---- what LUO has

    private boolean takesFiles() {
        return each && (state == State.NORMAL || state == State.PREPARED);
    }

    /** LUO has the file when the call returns. */
    private void hold(Thing thing) {
        if (takesFiles() && names.containsValue(thing) && !thing.isLost()) {
            if (!thing.held) {
                thing.content.frozenSize = thing.content.bytes.length;
            }
            thing.held = true;
            thing.wasHeld = true;
            thing.content.frozenModified = thing.content.modified;
        }
    }

    // ---- names

    private void touchParent(String path) {
        Thing parent = names.get(parent(path));
        if (parent != null) {
            parent.directoryModified = UNKNOWN;
        }
    }

    private Thing add(String path, Thing thing) {
        Thing parent = names.get(parent(path));
        if (parent != null && (parent.mode & 02000) != 0) {
            thing.gid = parent.gid;
            thing.mode |= thing.directory ? 02000 : 0;
        }
        names.put(path, thing);
        touchParent(path);
        return thing;
    }

    String mkdir(String path, int mode) {
        return taken(path).or(this::changes).or(() -> reserved(path)).orElseGet(() -> {
            add(path, new Thing(true, null, mode));
            return OK;
        });
    }

    String symlink(String path) {
        return taken(path).orElse(no(Errno.EPERM));
    }

    String mkfifo(String path) {
        return taken(path).orElse(no(Errno.EOPNOTSUPP));
    }

    private boolean isEmpty(String directory) {
        return names.keySet().stream().noneMatch(name -> name.startsWith(directory + "/"));
    }

    String rmdir(String path) {
        return missing(path)
                .or(() -> names.get(path).directory ? Optional.empty() : Optional.of(no(Errno.ENOTDIR)))
                .or(this::removes)
                .or(() -> isEmpty(path) ? Optional.empty() : Optional.of(no(Errno.ENOTEMPTY)))
                .orElseGet(() -> remove(path));
    }

    String unlink(String path) {
        return missing(path)
                .or(() -> names.get(path).directory ? Optional.of(no(Errno.EISDIR)) : Optional.empty())
                .or(this::removes)
                .orElseGet(() -> remove(path));
    }

    private String remove(String path) {
        names.remove(path);
        touchParent(path);
        return OK;
    }

    String link(String from, String to) {
        return missing(from)
                .or(() -> taken(to))
                .or(() -> names.get(from).directory ? Optional.of(no(Errno.EPERM)) : Optional.empty())
                .or(this::changes)
                .or(() -> reserved(to))
                .orElseGet(() -> {
                    names.put(to, names.get(from));
                    hold(names.get(to));
                    touchParent(to);
                    return OK;
                });
    }

    /** link(2) of a memfd that the caller has open. */
    String adopt(int memfd, String path) {
        return taken(path).or(this::changes).or(() -> reserved(path)).orElseGet(() -> {
            Optional<Thing> known = names.values().stream()
                    .filter(thing -> thing.content == memfds[memfd])
                    .findFirst();
            if (known.isPresent()) {
                names.put(path, known.get());
                touchParent(path);
            } else {
                add(path, new Thing(false, memfds[memfd], 0600));
            }
            hold(names.get(path));
            return OK;
        });
    }

    String rename(String from, String to, int flags) {
        boolean exchange = flags == Calls.RENAME_EXCHANGE;
        return way(from)
                .or(() -> way(to))
                .or(() -> missing(from))
                .or(() -> flags == Calls.RENAME_NOREPLACE ? taken(to) : Optional.empty())
                .or(() -> exchange ? missing(to) : Optional.empty())
                .or(() -> to.startsWith(from + "/") ? Optional.of(no(Errno.EINVAL)) : Optional.empty())
                .or(() -> from.startsWith(to + "/")
                        ? Optional.of(no(exchange ? Errno.EINVAL : Errno.ENOTEMPTY))
                        : Optional.empty())
                .or(() -> from.equals(to) ? Optional.of(OK) : Optional.empty())
                .or(() -> exchange ? Optional.empty() : unlike(names.get(from), names.get(to)))
                .or(this::changes)
                .or(() -> reserved(to))
                .or(() -> names.get(from) == names.get(to) ? Optional.of(OK) : Optional.empty())
                .or(() -> exchange || !names.containsKey(to) || isEmpty(to)
                        ? Optional.empty()
                        : Optional.of(no(Errno.ENOTEMPTY)))
                .orElseGet(() -> {
                    Map<String, Thing> moved = take(from, to);
                    Map<String, Thing> other = take(to, from);
                    names.putAll(moved);
                    if (exchange) {
                        names.putAll(other);
                    }
                    touchParent(from);
                    touchParent(to);
                    return OK;
                });
    }

    private static Optional<String> unlike(Thing moved, Thing replaced) {
        if (replaced == null || moved.directory == replaced.directory) {
            return Optional.empty();
        }
        return Optional.of(no(moved.directory ? Errno.ENOTDIR : Errno.EISDIR));
    }

    /** Takes a tree out, as it is to be called elsewhere. */
    private Map<String, Thing> take(String from, String to) {
        Map<String, Thing> taken = new TreeMap<>();
        names.forEach((name, thing) -> {
            if (name.equals(from) || name.startsWith(from + "/")) {
                taken.put(to + name.substring(from.length()), thing);
            }
        });
        names.keySet().removeIf(name -> name.equals(from) || name.startsWith(from + "/"));
        return taken;
    }

    // ---- attributes

    private Optional<String> unchangeable(String path) {
        return missing(path).or(this::changes);
    }

    String chmod(String path, int mode) {
        return unchangeable(path).orElseGet(() -> {
            names.get(path).mode = mode;
            return OK;
        });
    }

    /** chown(2), which takes set-uid and set-gid bits of a file away, whoever calls it. */
    String chown(String path, int uid, int gid) {
        return unchangeable(path).orElseGet(() -> {
            Thing thing = names.get(path);
            thing.uid = uid;
            thing.gid = gid;
            if (!thing.directory) {
                thing.mode &= (thing.mode & 0010) != 0 ? ~06000 : ~04000;
            }
            return OK;
        });
    }

    String utimens(String path, long modified) {
        return unchangeable(path).orElseGet(() -> {
            Thing thing = names.get(path);
            if (thing.directory) {
                thing.directoryModified = modified;
            } else {
                thing.content.modified = modified;
                if (each) {
                    thing.content.frozenModified = modified;
                }
            }
            return OK;
        });
    }

    private static Optional<String> foreign(String attribute) {
        if (!attribute.startsWith("user.")) {
            return Optional.of(no(Errno.EOPNOTSUPP));
        }
        boolean ours = attribute.startsWith("user.kexecfs.") && !attribute.equals(REQUIRES);
        return ours ? Optional.of(no(Errno.EPERM)) : Optional.empty();
    }

    String setXattr(String path, String attribute, String value, int flags) {
        return missing(path)
                .or(this::changes)
                .or(() -> foreign(attribute))
                .or(() -> {
                    boolean there = names.get(path).xattrs.containsKey(attribute);
                    if (there && flags == Calls.XATTR_CREATE) {
                        return Optional.of(no(Errno.EEXIST));
                    }
                    return !there && flags == Calls.XATTR_REPLACE ? Optional.of(no(Errno.ENODATA)) : Optional.empty();
                })
                .orElseGet(() -> {
                    names.get(path).xattrs.put(attribute, value);
                    return OK;
                });
    }

    String removeXattr(String path, String attribute) {
        return missing(path)
                .or(this::changes)
                .or(() -> foreign(attribute))
                .orElseGet(() -> names.get(path).xattrs.remove(attribute) == null ? no(Errno.ENODATA) : OK);
    }

    // ---- contents

    /** open(2) as the open file number {@code handle}, which is closed first if there is one. */
    String open(int handle, String path, int flags) {
        close(handle);
        Optional<String> wrong = way(path);
        if (wrong.isPresent()) {
            return wrong.get();
        }
        Thing thing = names.get(path);
        boolean isNew = thing == null;
        boolean creates = (flags & Fd.O_CREAT) != 0;
        boolean writes = (flags & Fd.O_ACCMODE) != Fd.O_RDONLY;
        if (thing == null) {
            Optional<String> refused = creates ? changes().or(() -> reserved(path)) : Optional.of(no(Errno.ENOENT));
            if (refused.isPresent()) {
                return refused.get();
            }
            thing = add(path, new Thing(false, new Content(), 0640));
        } else if (creates && (flags & Fd.O_EXCL) != 0) {
            return no(Errno.EEXIST);
        } else if (thing.directory && (creates || writes)) {
            return no(Errno.EISDIR);
        } else if (thing.isLost()) {
            return no(Errno.EIO);
        }
        thing.claim();
        if ((flags & Fd.O_TRUNC) != 0 && !isNew) {
            String truncated = resize(thing, 0);
            if (!truncated.equals(OK)) {
                return truncated;
            }
        }
        boolean passes = passthrough && resizes().isEmpty() && !(each && writes);
        handles[handle] = new Handle(thing, flags, passes);
        return OK;
    }

    String close(int handle) {
        Handle open = handles[handle];
        if (open == null) {
            return no(Errno.EBADF);
        }
        if (open.writes()) {
            hold(open.thing);
        }
        handles[handle] = null;
        return OK;
    }

    private String resize(Thing thing, long size) {
        if (size != thing.content.bytes.length) {
            Optional<String> refused = resizes();
            if (refused.isPresent()) {
                return refused.get();
            }
        }
        thing.content.resize(size);
        if (each && resizes().isEmpty()) {
            thing.held = false;
            hold(thing);
        }
        return OK;
    }

    String truncate(String path, long size) {
        return missing(path)
                .or(() -> names.get(path).directory ? Optional.of(no(Errno.EISDIR)) : Optional.empty())
                .or(() -> names.get(path).isLost() ? Optional.of(no(Errno.EIO)) : Optional.empty())
                .orElseGet(() -> {
                    names.get(path).claim();
                    return resize(names.get(path), size);
                });
    }

    String ftruncate(int handle, long size) {
        Handle open = handles[handle];
        if (open == null) {
            return no(Errno.EBADF);
        }
        return open.writes() ? resize(open.thing, size) : no(Errno.EINVAL);
    }

    String write(int handle, long offset, String text) {
        Handle open = handles[handle];
        if (open == null || !open.writes()) {
            return no(Errno.EBADF);
        }
        Content content = open.thing.content;
        byte[] bytes = Fd.utf8(text);
        long at = (open.flags & Fd.O_APPEND) != 0 ? content.bytes.length : offset;
        if (at + bytes.length > content.bytes.length && !open.passes) {
            Optional<String> refused = resizes();
            if (refused.isPresent()) {
                return refused.get();
            }
        }
        if (at + bytes.length > content.bytes.length) {
            open.thing.held = false;
        }
        content.put(at, bytes);
        return Integer.toString(bytes.length);
    }

    /** write(2) of whoever has the memory, past the mount. */
    String writeMemfd(int memfd, long offset, String text) {
        byte[] bytes = Fd.utf8(text);
        memfds[memfd].put(offset, bytes);
        return Integer.toString(bytes.length);
    }

    String read(int handle) {
        Handle open = handles[handle];
        if (open == null || (open.flags & Fd.O_ACCMODE) == Fd.O_WRONLY) {
            return no(Errno.EBADF);
        }
        return open.thing.directory ? no(Errno.EISDIR) : show(open.thing.content);
    }

    String fallocate(int handle, int mode, long offset, long length) {
        Handle open = handles[handle];
        if (open == null || !open.writes()) {
            return no(Errno.EBADF);
        }
        Content content = open.thing.content;
        if (offset + length > content.bytes.length) {
            Optional<String> refused = resizes();
            if (refused.isPresent()) {
                return refused.get();
            }
        }
        String said = allocate(content, mode, offset, length);
        if (each && resizes().isEmpty()) {
            open.thing.held = false;
            hold(open.thing);
        }
        return said;
    }

    private static String allocate(Content content, int mode, long offset, long length) {
        if ((mode & Calls.FALLOC_FL_ZERO_RANGE) != 0) {
            return no(Errno.EOPNOTSUPP); // tmpfs
        }
        if ((mode & Calls.FALLOC_FL_PUNCH_HOLE) != 0) {
            int end = (int) Math.min(offset + length, content.bytes.length);
            if (end > offset) {
                content.put(offset, new byte[end - (int) offset]);
            }
        } else if (mode == 0 && offset + length > content.bytes.length) {
            content.resize(offset + length);
        }
        content.modified = UNKNOWN;
        content.frozenModified = UNKNOWN;
        return OK;
    }

    /** fstat(2): names, size and permissions of an open file. */
    String fstat(int handle) {
        Handle open = handles[handle];
        if (open == null) {
            return no(Errno.ENOENT);
        }
        if (open.thing.directory) {
            // libfuse 2 knows a directory by its name only.
            return names.containsValue(open.thing) ? "directory" : no(Errno.ENOENT);
        }
        return links(open.thing) + " " + open.thing.content.bytes.length + " of "
                + Integer.toOctalString(open.thing.mode);
    }

    // ---- transitions

    private boolean requiresWhatIsNotThere() {
        return names.values().stream().flatMap(MountModel::required).anyMatch(path -> !names.containsKey(path));
    }

    private static Stream<String> required(Thing thing) {
        return Arrays.stream(thing.xattrs.getOrDefault(REQUIRES, "").split(" ")).filter(path -> !path.isEmpty());
    }

    String prepare() {
        return switch (state) {
            case NORMAL -> {
                if (requiresWhatIsNotThere()) {
                    yield no(Errno.ENOENT);
                }
                state = State.PREPARED;
                if (each) {
                    files().forEach(this::hold);
                } else {
                    contents().forEach(content -> {
                        content.frozenSize = content.bytes.length;
                        content.frozenModified = content.modified;
                    });
                }
                yield OK;
            }
            case PREPARED -> OK;
            case UPDATED -> no(Errno.EBUSY);
            case FAILED -> no(Errno.EIO);
        };
    }

    private Stream<Content> contents() {
        return files().map(thing -> thing.content);
    }

    private Stream<Thing> files() {
        return new HashSet<>(names.values()).stream().filter(thing -> !thing.directory && !thing.isLost());
    }

    String cancel() {
        if (state != State.PREPARED) {
            return no(Errno.EINVAL);
        }
        state = State.NORMAL;
        return OK;
    }

    /** A write of "1", "strict" or "release". */
    String finish(String how) {
        if (state != State.UPDATED && state != State.FAILED) {
            return no(Errno.EINVAL);
        }
        boolean release = how.equals("release");
        boolean unclaimed = names.values().stream().anyMatch(thing -> thing.status.equals("restored"));
        if (!release && requiresWhatIsLost() || how.equals("strict") && unclaimed) {
            return no(Errno.EBUSY);
        }
        if (release) {
            drop(names.entrySet().stream()
                    .filter(entry -> entry.getValue().status.equals("restored"))
                    .map(Map.Entry::getKey)
                    .toList());
        }
        drop(names.entrySet().stream()
                .filter(entry -> entry.getValue().isLost())
                .map(Map.Entry::getKey)
                .toList());
        names.values().forEach(thing -> thing.status = "linked");
        state = State.NORMAL;
        files().forEach(this::hold);
        return OK;
    }

    private void drop(List<String> paths) {
        paths.forEach(this::remove);
    }

    private boolean requiresWhatIsLost() {
        return names.entrySet().stream()
                .filter(entry -> !entry.getValue().isLost())
                .anyMatch(entry -> Stream.concat(
                                required(entry.getValue()),
                                entry.getValue().directory ? Stream.empty() : above(entry.getKey()))
                        .map(names::get)
                        .anyMatch(thing -> thing != null && thing.isLost()));
    }

    /** The files directly in the directories above that of a path, the root excepted. */
    private Stream<String> above(String path) {
        Set<String> directories = new HashSet<>();
        for (String up = parent(parent(path)); !up.isEmpty(); up = parent(up)) {
            directories.add(up);
        }
        return names.keySet().stream().filter(name -> directories.contains(parent(name)));
    }

    /** What may be lost of a session on its way. */
    enum Loss {
        NOTHING,
        RECORD,
        BYTES,
        MANIFEST
    }

    /**
     * A kexec, and the session mounted in the next kernel.
     *
     * @param loss what is lost on the way of what {@code path} leads to, or of the session
     */
    String kexec(Loss loss, String path) {
        boolean carried = each ? takesFiles() : state == State.PREPARED;
        boolean outgrown = files().filter(thing -> thing.held || !each)
                .anyMatch(thing -> thing.content.bytes.length != thing.content.frozenSize);
        if (carried && outgrown) {
            return no(Errno.EPERM);
        }
        boolean files = files().findAny().isPresent();
        Arrays.fill(handles, null);
        if (!carried || loss == Loss.MANIFEST) {
            names.clear();
            // Where each file is in a session of its own, the one of the mount's name is empty without the manifest.
            state = carried && files && !each ? State.FAILED : State.NORMAL;
            return OK;
        }
        state = State.UPDATED;
        names.values().removeIf(thing -> each && !thing.directory && !thing.wasHeld);
        files().forEach(thing -> {
            Content restored = thing.content.copy();
            restored.modified = thing.content.frozenModified;
            thing.content = restored;
            thing.status = "restored";
            if (each && !thing.held) {
                thing.status = "missing";
                thing.content.bytes = new byte[0];
            }
            thing.held = false;
        });
        Thing lost = names.get(path);
        if (loss != Loss.NOTHING && lost != null && !lost.directory && !lost.isLost()) {
            lost.status = loss == Loss.RECORD ? "missing" : "error EIO";
            lost.content.bytes = new byte[0];
            state = State.FAILED;
        }
        return OK;
    }

    /** umount and mount, with no kexec. */
    String remount() {
        Arrays.fill(handles, null);
        names.clear();
        state = State.NORMAL;
        return OK;
    }

    // ---- what is seen

    private long links(Thing thing) {
        return names.values().stream().filter(other -> other == thing).count();
    }

    /** Every path there is. */
    Set<String> paths() {
        return names.keySet();
    }

    /** Whether the time of what a path leads to was set, and not moved since. */
    boolean isTimed(String path) {
        Thing thing = names.get(path);
        return thing != null && (thing.directory ? thing.directoryModified : thing.content.modified) != UNKNOWN;
    }

    /** Whether to read a file changes nothing: it does when that claims it. */
    boolean isReadable(String path) {
        Thing thing = names.get(path);
        return thing != null && !thing.directory && !thing.isLost() && !thing.status.equals("restored");
    }

    /** What a path leads to, in one line. */
    String show(String path) {
        Thing thing = names.get(path);
        if (thing == null) {
            return way(path).orElse(no(Errno.ENOENT));
        }
        Map<String, String> xattrs = new LinkedHashMap<>(thing.xattrs);
        if (!thing.directory) {
            boolean preserved = each ? thing.held : state == State.PREPARED;
            xattrs.put("user.kexecfs.status", preserved ? "preserved" : thing.status);
        }
        return line(
                thing.directory,
                thing.mode,
                thing.uid + ":" + thing.gid,
                thing.directory ? 2 + directories(path) : links(thing),
                thing.directory ? 0 : thing.content.bytes.length,
                isTimed(path) ? thing.directory ? thing.directoryModified : thing.content.modified : UNKNOWN,
                new TreeMap<>(xattrs),
                isReadable(path) ? show(thing.content) : "");
    }

    /** Which paths lead to the same file, told by the first of them. */
    Map<String, String> sameFiles() {
        Map<Thing, String> first = new java.util.IdentityHashMap<>();
        Map<String, String> same = new TreeMap<>();
        names.forEach((path, thing) -> same.put(path, first.computeIfAbsent(thing, t -> path)));
        return same;
    }

    private long directories(String path) {
        return names.entrySet().stream()
                .filter(entry -> parent(entry.getKey()).equals(path) && entry.getValue().directory)
                .count();
    }

    private static String show(Content content) {
        return show(content.bytes);
    }

    /** Bytes, readable. */
    static String show(byte[] bytes) {
        return "'" + new String(bytes, StandardCharsets.ISO_8859_1).replace('\0', '.') + "'";
    }

    static String line(
            boolean directory,
            int mode,
            String owner,
            long links,
            long size,
            long modified,
            Map<String, String> xattrs,
            String content) {
        return String.join(
                " ",
                directory ? "dir" : "file",
                Integer.toOctalString(mode),
                owner,
                "links " + links,
                "size " + size,
                modified == UNKNOWN ? "" : "modified " + modified,
                xattrs.toString(),
                content);
    }
}
