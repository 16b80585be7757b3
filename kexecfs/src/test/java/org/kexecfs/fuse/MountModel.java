package org.kexecfs.fuse;

import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
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

    static final int HANDLES = 3;
    static final int MEMFDS = 2;

    /** An open file; one that passes through is not asked about what the state allows. */
    private record Handle(ModelEntry thing, int flags, boolean passes) {
        private boolean writes() {
            return (flags & Fd.O_ACCMODE) != Fd.O_RDONLY;
        }
    }

    private final boolean passthrough;
    private final boolean each;
    private final ModelNames names = new ModelNames();
    private final Handle[] handles = new Handle[HANDLES];
    private final ModelEntry.Content[] memfds = new ModelEntry.Content[MEMFDS];
    private State state = State.NORMAL;

    /** @param each preserve=link: LUO has each file at all times, but while its size may change */
    MountModel(boolean passthrough, boolean each) {
        this.passthrough = passthrough;
        this.each = each;
        for (int i = 0; i < MEMFDS; i++) {
            memfds[i] = new ModelEntry.Content();
        }
    }

    State state() {
        return state;
    }

    private static String no(Errno errno) {
        return errno.name();
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
    private void hold(ModelEntry thing) {
        if (takesFiles() && names.have(thing) && !thing.isLost()) {
            if (!thing.held) {
                thing.content.frozenSize = thing.content.bytes.length;
            }
            thing.held = true;
            thing.wasHeld = true;
            thing.content.frozenModified = thing.content.modified;
        }
    }

    // ---- names

    String mkdir(String path, int mode) {
        return names.taken(path)
                .or(this::changes)
                .or(() -> names.reserved(path))
                .orElseGet(() -> {
                    names.add(path, new ModelEntry(true, null, mode));
                    return OK;
                });
    }

    String symlink(String path) {
        return names.taken(path).orElse(no(Errno.EPERM));
    }

    String mkfifo(String path) {
        return names.taken(path).orElse(no(Errno.EOPNOTSUPP));
    }

    String rmdir(String path) {
        return names.missing(path)
                .or(() -> names.get(path).directory ? Optional.empty() : Optional.of(no(Errno.ENOTDIR)))
                .or(this::removes)
                .or(() -> names.isEmpty(path) ? Optional.empty() : Optional.of(no(Errno.ENOTEMPTY)))
                .orElseGet(() -> remove(path));
    }

    String unlink(String path) {
        return names.missing(path)
                .or(() -> names.get(path).directory ? Optional.of(no(Errno.EISDIR)) : Optional.empty())
                .or(this::removes)
                .orElseGet(() -> remove(path));
    }

    private String remove(String path) {
        names.remove(path);
        return OK;
    }

    String link(String from, String to) {
        return names.missing(from)
                .or(() -> names.taken(to))
                .or(() -> names.get(from).directory ? Optional.of(no(Errno.EPERM)) : Optional.empty())
                .or(this::changes)
                .or(() -> names.reserved(to))
                .orElseGet(() -> {
                    names.put(to, names.get(from));
                    hold(names.get(to));
                    return OK;
                });
    }

    /** link(2) of a memfd that the caller has open. */
    String adopt(int memfd, String path) {
        return names.taken(path)
                .or(this::changes)
                .or(() -> names.reserved(path))
                .orElseGet(() -> {
                    Optional<ModelEntry> known = names.entries().stream()
                            .filter(thing -> thing.content == memfds[memfd])
                            .findFirst();
                    if (known.isPresent()) {
                        names.put(path, known.get());
                    } else {
                        names.add(path, new ModelEntry(false, memfds[memfd], 0600));
                    }
                    hold(names.get(path));
                    return OK;
                });
    }

    String rename(String from, String to, int flags) {
        boolean exchange = flags == Calls.RENAME_EXCHANGE;
        return names.way(from)
                .or(() -> names.way(to))
                .or(() -> names.missing(from))
                .or(() -> flags == Calls.RENAME_NOREPLACE ? names.taken(to) : Optional.empty())
                .or(() -> exchange ? names.missing(to) : Optional.empty())
                .or(() -> to.startsWith(from + "/") ? Optional.of(no(Errno.EINVAL)) : Optional.empty())
                .or(() -> from.startsWith(to + "/")
                        ? Optional.of(no(exchange ? Errno.EINVAL : Errno.ENOTEMPTY))
                        : Optional.empty())
                .or(() -> from.equals(to) ? Optional.of(OK) : Optional.empty())
                .or(() -> exchange ? Optional.empty() : unlike(names.get(from), names.get(to)))
                .or(this::changes)
                .or(() -> names.reserved(to))
                .or(() -> names.get(from) == names.get(to) ? Optional.of(OK) : Optional.empty())
                .or(() -> exchange || !names.has(to) || names.isEmpty(to)
                        ? Optional.empty()
                        : Optional.of(no(Errno.ENOTEMPTY)))
                .orElseGet(() -> {
                    names.rename(from, to, exchange);
                    return OK;
                });
    }

    private static Optional<String> unlike(ModelEntry moved, ModelEntry replaced) {
        if (replaced == null || moved.directory == replaced.directory) {
            return Optional.empty();
        }
        return Optional.of(no(moved.directory ? Errno.ENOTDIR : Errno.EISDIR));
    }

    // ---- attributes

    private Optional<String> unchangeable(String path) {
        return names.missing(path).or(this::changes);
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
            ModelEntry thing = names.get(path);
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
            ModelEntry thing = names.get(path);
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
        boolean ours = attribute.startsWith("user.kexecfs.") && !attribute.equals(ModelNames.REQUIRES);
        return ours ? Optional.of(no(Errno.EPERM)) : Optional.empty();
    }

    String setXattr(String path, String attribute, String value, int flags) {
        return names.missing(path)
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
        return names.missing(path)
                .or(this::changes)
                .or(() -> foreign(attribute))
                .orElseGet(() -> names.get(path).xattrs.remove(attribute) == null ? no(Errno.ENODATA) : OK);
    }

    // ---- contents

    /** open(2) as the open file number {@code handle}, which is closed first if there is one. */
    String open(int handle, String path, int flags) {
        close(handle);
        Optional<String> wrong = names.way(path);
        if (wrong.isPresent()) {
            return wrong.get();
        }
        ModelEntry thing = names.get(path);
        boolean isNew = thing == null;
        boolean creates = (flags & Fd.O_CREAT) != 0;
        boolean writes = (flags & Fd.O_ACCMODE) != Fd.O_RDONLY;
        if (thing == null) {
            Optional<String> refused =
                    creates ? changes().or(() -> names.reserved(path)) : Optional.of(no(Errno.ENOENT));
            if (refused.isPresent()) {
                return refused.get();
            }
            thing = names.add(path, new ModelEntry(false, new ModelEntry.Content(), 0640));
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

    private String resize(ModelEntry thing, long size) {
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
        return names.missing(path)
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
        ModelEntry.Content content = open.thing.content;
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
        ModelEntry.Content content = open.thing.content;
        if (offset + length > content.bytes.length) {
            Optional<String> refused = resizes();
            if (refused.isPresent()) {
                return refused.get();
            }
        }
        String said = content.allocate(mode, offset, length) ? OK : no(Errno.EOPNOTSUPP);
        if (each && resizes().isEmpty()) {
            open.thing.held = false;
            hold(open.thing);
        }
        return said;
    }

    /** fstat(2): names, size and permissions of an open file. */
    String fstat(int handle) {
        Handle open = handles[handle];
        if (open == null) {
            return no(Errno.ENOENT);
        }
        if (open.thing.directory) {
            // libfuse 2 knows a directory by its name only.
            return names.have(open.thing) ? "directory" : no(Errno.ENOENT);
        }
        return names.links(open.thing) + " " + open.thing.content.bytes.length + " of "
                + Integer.toOctalString(open.thing.mode);
    }

    // ---- transitions

    String prepare() {
        return switch (state) {
            case NORMAL -> {
                if (names.requiresWhatIsNotThere()) {
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

    private Stream<ModelEntry.Content> contents() {
        return files().map(thing -> thing.content);
    }

    private Stream<ModelEntry> files() {
        return new HashSet<>(names.entries()).stream().filter(thing -> !thing.directory && !thing.isLost());
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
        boolean unclaimed = names.entries().stream().anyMatch(thing -> thing.status.equals("restored"));
        if (!release && names.requiresWhatIsLost() || how.equals("strict") && unclaimed) {
            return no(Errno.EBUSY);
        }
        if (release) {
            names.drop(thing -> thing.status.equals("restored"));
        }
        names.drop(ModelEntry::isLost);
        names.entries().forEach(thing -> thing.status = "linked");
        state = State.NORMAL;
        files().forEach(this::hold);
        return OK;
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
        names.entries().removeIf(thing -> each && !thing.directory && !thing.wasHeld);
        files().forEach(thing -> {
            ModelEntry.Content restored = thing.content.copy();
            restored.modified = thing.content.frozenModified;
            thing.content = restored;
            thing.status = "restored";
            if (each && !thing.held) {
                thing.status = "missing";
                thing.content.bytes = new byte[0];
            }
            thing.held = false;
        });
        ModelEntry lost = names.get(path);
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

    /** Which paths lead to the same file, told by the first of them. */
    Map<String, String> sameFiles() {
        return names.sameFiles();
    }

    /** Every path there is. */
    Set<String> paths() {
        return names.paths();
    }

    /** Whether the time of what a path leads to was set, and not moved since. */
    boolean isTimed(String path) {
        ModelEntry thing = names.get(path);
        return thing != null
                && (thing.directory ? thing.directoryModified : thing.content.modified) != ModelEntry.UNKNOWN;
    }

    /** Whether to read a file changes nothing: it does when that claims it. */
    boolean isReadable(String path) {
        ModelEntry thing = names.get(path);
        return thing != null && !thing.directory && !thing.isLost() && !thing.status.equals("restored");
    }

    /** What a path leads to, in one line. */
    String show(String path) {
        ModelEntry thing = names.get(path);
        if (thing == null) {
            return names.way(path).orElse(no(Errno.ENOENT));
        }
        Map<String, String> xattrs = new LinkedHashMap<>(thing.xattrs);
        if (!thing.directory) {
            boolean preserved = each ? thing.held : state == State.PREPARED;
            xattrs.put("user.kexecfs.status", preserved ? "preserved" : thing.status);
        }
        return new SeenEntry(
                        thing.directory,
                        thing.mode,
                        thing.uid + ":" + thing.gid,
                        thing.directory ? 2 + names.directories(path) : names.links(thing),
                        thing.directory ? 0 : thing.content.bytes.length,
                        isTimed(path)
                                ? thing.directory ? thing.directoryModified : thing.content.modified
                                : ModelEntry.UNKNOWN,
                        new TreeMap<>(xattrs),
                        isReadable(path) ? show(thing.content) : "")
                .toString();
    }

    private static String show(ModelEntry.Content content) {
        return SeenEntry.show(content.bytes);
    }
}
