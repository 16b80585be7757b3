package org.kexecfs.fuse;

import java.io.ByteArrayOutputStream;
import java.util.Arrays;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.ToIntFunction;
import jnr.constants.platform.linux.Errno;
import jnr.ffi.Pointer;
import org.kexecfs.manifest.Bytes;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.FileStatus;
import org.kexecfs.posix.NativeFunction;
import org.kexecfs.posix.NativeLibrary;
import org.kexecfs.posix.ProcessStatus;
import org.kexecfs.posix.Time;
import org.kexecfs.session.EntryPath;
import org.kexecfs.session.OpenFile;
import org.kexecfs.session.Session;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import ru.serce.jnrfuse.struct.FileStat;
import ru.serce.jnrfuse.struct.FuseFileInfo;
import ru.serce.jnrfuse.struct.Statvfs;

/**
 * A session as FUSE operations: each finds out what the path means and who asks, and calls the session.
 *
 * <p>Permissions are the kernel's to check, by the attributes shown here (mount option default_permissions); what it
 * cannot know, the reach into other processes, is checked in {@link LinkSources}.
 *
 * <p>{@link #answer} is the one place where an {@link ErrnoException} becomes -errno.
 */
final class KexecFs implements FuseChannel.Filesystem, AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(KexecFs.class);

    private static final int CONNECTION_WANT = 24;
    private static final int FUSE_CAP_IOCTL_DIR = 1 << 11;
    private static final long UTIME_NOW = (1L << 30) - 1;
    private static final long UTIME_OMIT = (1L << 30) - 2;

    private final LibFuse fuse;
    private final Session session;
    private final ControlAttributes control;
    private final Handles handles = new Handles();
    private final StateWatch watch;
    private final Shown shown;
    private final Passthrough passthrough;
    private final Ioctls ioctls;
    private final SocketName socket;
    private final Rename2 rename2;
    private final Validity validity;

    /** A thread's for all that it answers: to make one, with an object for each field, takes longer than to fill it. */
    private static final ThreadLocal<FileStat> STATS = ThreadLocal.withInitial(() -> new FileStat(LibFuse.runtime()));

    /** The filesystem whose request this thread serves. */
    private static final ThreadLocal<KexecFs> SERVING = new ThreadLocal<>();

    KexecFs(
            LibFuse fuse,
            Session session,
            ControlAttributes control,
            StateWatch watch,
            Passthrough passthrough,
            Rename2 rename2,
            Validity validity,
            Ioctls ioctls,
            SocketName socket) {
        this.fuse = fuse;
        this.session = session;
        this.control = control;
        this.watch = watch;
        this.shown = new Shown(session, control, passthrough);
        this.passthrough = passthrough;
        this.rename2 = rename2;
        this.validity = validity;
        this.ioctls = ioctls;
        this.socket = socket;
    }

    /** The operations, for libfuse: those of all mounts, for each callback is native code of its own. */
    @Override
    public FuseOperations operations() {
        return Callbacks.OPERATIONS;
    }

    /** Makes them. */
    static void load() {
        Objects.requireNonNull(Callbacks.OPERATIONS);
    }

    /** Whoever serves a request is on the thread that libfuse calls back. */
    @Override
    public void serving(Runnable request) {
        SERVING.set(this);
        try {
            request.run();
        } finally {
            SERVING.remove();
        }
    }

    private static final class Callbacks {
        private static final FuseOperations OPERATIONS = make();

        private Callbacks() {}

        private static FuseOperations make() {
            FuseOperations o = new FuseOperations(LibFuse.runtime());
            o.flags.set(
                    FuseOperations.FLAG_NULLPATH_OK | FuseOperations.FLAG_NOPATH | FuseOperations.FLAG_UTIME_OMIT_OK);
            o.getattr.set((path, status) -> answer(fs -> fs.getattr(target(path), status)));
            o.fgetattr.set((path, status, file) -> answer(fs -> fs.fgetattr(info(file), status)));
            o.readlink.set((path, buffer, size) -> answer(fs -> fs.readlink(target(path), buffer, size)));
            o.opendir.set((path, file) -> answer(fs -> fs.opendir(target(path), info(file))));
            o.readdir.set((path, buffer, filler, offset, file) -> answer(fs -> fs.readdir(info(file), buffer, filler)));
            o.releasedir.set((path, file) -> answer(fs -> fs.release(info(file))));
            o.mknod.set((path, mode, device) -> answer(fs -> fs.mknod(target(path), mode)));
            o.create.set((path, mode, file) -> answer(fs -> fs.create(path(path), mode, info(file))));
            o.open.set((path, file) -> answer(fs -> fs.open(target(path), info(file))));
            o.read.set((path, buffer, size, offset, file) -> answer(fs -> fs.read(info(file), buffer, size, offset)));
            o.write.set((path, buffer, size, offset, file) -> answer(fs -> fs.write(info(file), buffer, size, offset)));
            o.release.set((path, file) -> answer(fs -> fs.release(info(file))));
            o.flush.set((path, file) -> answer(fs -> fs.flush(info(file))));
            o.fsync.set((path, datasync, file) -> answer(fs -> fs.fsync(info(file))));
            o.fsyncdir.set((path, datasync, file) -> 0);
            o.truncate.set((path, size) -> answer(fs -> fs.truncate(target(path), size)));
            o.ftruncate.set((path, size, file) -> answer(fs -> fs.ftruncate(info(file), size)));
            o.fallocate.set(
                    (path, mode, offset, length, file) -> answer(fs -> fs.fallocate(info(file), mode, offset, length)));
            o.mkdir.set((path, mode) -> answer(fs -> fs.mkdir(path(path), mode)));
            o.unlink.set(path -> answer(fs -> run(() -> fs.session.unlink(ours(path)))));
            o.rmdir.set(path -> answer(fs -> run(() -> fs.session.rmdir(ours(path)))));
            o.rename.set((from, to) ->
                    answer(fs -> run(() -> fs.session.rename(ours(from), ours(to), fs.rename2.asked()))));
            o.link.set((from, to) -> answer(fs -> fs.link(target(from), path(to))));
            o.symlink.set((from, to) -> answer(fs -> {
                throw new ErrnoException(Errno.EPERM, "symlink: LUO preserves memory, not links");
            }));
            o.chmod.set((path, mode) -> answer(fs -> run(() -> fs.session.chmod(ours(path), mode))));
            o.chown.set((path, uid, gid) ->
                    answer(fs -> run(() -> fs.session.chown(ours(path), given(uid), given(gid)))));
            o.utimens.set((path, times) -> answer(fs -> fs.utimens(ours(path), times)));
            o.setxattr.set(
                    (path, name, value, size, flags) -> answer(fs -> fs.setxattr(path, name, value, size, flags)));
            o.getxattr.set((path, name, value, size) -> answer(fs -> fs.getxattr(target(path), name, value, size)));
            o.listxattr.set((path, list, size) -> answer(fs -> fs.listxattr(target(path), list, size)));
            o.removexattr.set((path, name) ->
                    answer(fs -> run(() -> fs.session.removeXattr(ours(path), attribute(name)))));
            o.statfs.set((path, status) -> answer(fs -> run(() -> fs.shown.usage(Statvfs.of(status)))));
            o.init.set(KexecFs::init);
            o.ioctl.set(
                    (path, number, argument, file, flags, data) -> answer(fs -> fs.ioctl(info(file), number, data)));
            o.poll.set((path, file, poll, events) -> answer(fs -> fs.poll(info(file), poll, events)));
            return o;
        }
    }

    /** Closes what is still open; nobody can use it any more. */
    @Override
    public void close() {
        watch.close();
        handles.closeAll();
    }

    private static int answer(ToIntFunction<KexecFs> operation) {
        try {
            return operation.applyAsInt(SERVING.get());
        } catch (ErrnoException e) {
            log.debug("{}", e.getMessage());
            return -e.errno().intValue();
        } catch (RuntimeException | Error e) {
            log.error("an operation failed in a way it should not; please report this", e);
            return -Errno.EIO.intValue();
        }
    }

    private static int run(Runnable operation) {
        operation.run();
        return 0;
    }

    // ---- what arguments mean

    private Caller caller() {
        return Caller.of(fuse.fuse_get_context());
    }

    private static byte[] bytes(Pointer path) {
        int length = 0;
        while (path.getByte(length) != 0) {
            length++;
        }
        byte[] bytes = new byte[length];
        path.get(0, bytes, 0, length);
        return bytes;
    }

    private static Target target(Pointer path) {
        return Target.of(bytes(path));
    }

    private static EntryPath path(Pointer path) {
        return EntryPath.of(bytes(path));
    }

    /** An entry that may be changed: EPERM for what is kexecfs's own. */
    private static EntryPath ours(Pointer path) {
        return ours(target(path));
    }

    private static EntryPath ours(Target target) {
        if (target instanceof Target.InSession entry) {
            return entry.path();
        }
        throw new ErrnoException(Errno.EPERM, "this name is kexecfs's own");
    }

    private static Optional<Integer> given(int id) {
        return id == -1 ? Optional.empty() : Optional.of(id);
    }

    private static FuseFileInfo info(Pointer file) {
        return FuseFileInfo.of(file);
    }

    private static FileStat stat(Pointer status) {
        FileStat stat = STATS.get();
        stat.useMemory(status);
        return stat;
    }

    // ---- attributes

    private int getattr(Target target, Pointer status) {
        FileStat stat = stat(status);
        switch (target) {
            case Target.InSession entry -> shown.entry(stat, session.stat(entry.path()));
            case Target.Control file -> shown.control(stat, file.file());
            case Target.Socket name -> {
                socket.requireThere();
                shown.socket(stat);
            }
            case Target.Sources sources -> shown.sources(stat);
            case Target.Self self -> shown.self(stat, LinkSources.self(caller()));
            case Target.OfProcess process -> {
                LinkSources.checkExists(caller(), process.pid());
                shown.process(stat);
            }
            case Target.Source source -> shown.source(stat, LinkSources.stat(caller(), source.pid(), source.number()));
        }
        return 0;
    }

    private int fgetattr(FuseFileInfo file, Pointer status) {
        FileStat stat = stat(status);
        switch (handles.get(file.fh.get())) {
            case Handle.OfEntry entry -> shown.entry(stat, entry.file().stat());
            case Handle.OfControl open -> shown.control(stat, open.file());
            case Handle.OfDirectory directory -> throw isDirectory();
        }
        return 0;
    }

    private int utimens(EntryPath path, Pointer times) {
        session.setTimes(path, time(times, 0), time(times, 16));
        return 0;
    }

    private static Time time(Pointer times, long at) {
        long nanoseconds = times.getLong(at + 8);
        if (nanoseconds == UTIME_OMIT) {
            return null;
        }
        return nanoseconds == UTIME_NOW ? Time.now() : new Time(times.getLong(at), nanoseconds);
    }

    private static Bytes attribute(Pointer name) {
        return Bytes.of(bytes(name));
    }

    private int setxattr(Pointer path, Pointer name, Pointer value, long size, int flags) {
        byte[] bytes = new byte[(int) size];
        value.get(0, bytes, 0, bytes.length);
        session.setXattr(ours(path), attribute(name), Bytes.of(bytes), flags);
        return 0;
    }

    private int getxattr(Target target, Pointer name, Pointer value, long size) {
        Bytes found = xattrs(target).get(attribute(name));
        if (found == null) {
            throw new ErrnoException(Errno.ENODATA, "no attribute " + attribute(name));
        }
        return copy(found.toArray(), value, size);
    }

    private int listxattr(Target target, Pointer list, long size) {
        ByteArrayOutputStream names = new ByteArrayOutputStream();
        for (Bytes name : xattrs(target).keySet()) {
            names.writeBytes(name.toArray());
            names.write(0);
        }
        return copy(names.toByteArray(), list, size);
    }

    private Map<Bytes, Bytes> xattrs(Target target) {
        return target instanceof Target.InSession entry ? session.xattrs(entry.path()) : Map.of();
    }

    /** As getxattr(2) and listxattr(2) answer: a size of 0 asks how much room it takes. */
    private static int copy(byte[] bytes, Pointer to, long size) {
        if (size > 0) {
            if (bytes.length > size) {
                throw new ErrnoException(Errno.ERANGE, bytes.length + " bytes into " + size);
            }
            to.put(0, bytes, 0, bytes.length);
        }
        return bytes.length;
    }

    // ---- directories

    private int opendir(Target target, FuseFileInfo file) {
        file.fh.set(handles.add(new Handle.OfDirectory(target)));
        return 0;
    }

    private int readdir(FuseFileInfo info, Pointer buffer, Pointer filler) {
        if (!(handles.get(info.fh.get()) instanceof Handle.OfDirectory directory)) {
            throw notDirectory();
        }
        add(filler, buffer, Fd.utf8("."));
        add(filler, buffer, Fd.utf8(".."));
        switch (directory.target()) {
            case Target.InSession entry -> {
                session.list(entry.path()).keySet().forEach(name -> add(filler, buffer, name.bytes()));
                if (entry.path().isRoot()) {
                    for (ControlFile file : ControlFile.values()) {
                        add(filler, buffer, file.fileName().bytes());
                    }
                    add(filler, buffer, Target.SOURCES.bytes());
                    if (socket.isThere()) {
                        add(filler, buffer, SocketName.NAME.bytes());
                    }
                }
            }
            case Target.Sources sources -> add(filler, buffer, Target.SELF.bytes());
            case Target.OfProcess process ->
                LinkSources.list(caller(), process.pid()).forEach(number -> add(filler, buffer, Fd.utf8(number)));
            case Target.Control file -> throw notDirectory();
            case Target.Socket name -> throw notDirectory();
            case Target.Self self -> throw notDirectory();
            case Target.Source source -> throw notDirectory();
        }
        return 0;
    }

    private static ErrnoException isDirectory() {
        return new ErrnoException(Errno.EISDIR, "a directory");
    }

    private static ErrnoException notDirectory() {
        return new ErrnoException(Errno.ENOTDIR, "no directory");
    }

    /** fuse_fill_dir_t: (buffer, name, struct stat * or null, offset or 0). */
    private static void add(Pointer filler, Pointer buffer, byte[] name) {
        NativeLibrary.call(new NativeFunction(filler.address()), buffer, Arrays.copyOf(name, name.length + 1), null, 0);
    }

    private int readlink(Target target, Pointer buffer, long size) {
        if (!(target instanceof Target.Self)) {
            throw new ErrnoException(Errno.EINVAL, "no symbolic link");
        }
        byte[] to = Fd.utf8(LinkSources.self(caller()));
        int length = (int) Math.min(to.length, size - 1);
        buffer.put(0, to, 0, length);
        buffer.putByte(length, (byte) 0);
        return 0;
    }

    private int mkdir(EntryPath path, int mode) {
        Caller caller = caller();
        session.mkdir(path, mode & 07777, caller.uid(), caller.gid());
        return 0;
    }

    private int mknod(Target target, int mode) {
        Caller caller = caller();
        int type = mode & FileStatus.S_IFMT;
        if (target instanceof Target.Socket && type == FileStatus.S_IFSOCK) {
            socket.make(caller);
            return 0;
        }
        if (type != FileStatus.S_IFREG) {
            throw new ErrnoException(Errno.EOPNOTSUPP, "LUO preserves memory, not devices, pipes or sockets");
        }
        try (OpenFile made = session.create(ours(target), mode & 07777, caller.uid(), caller.gid())) {
            made.sync();
        }
        return 0;
    }

    private int link(Target from, EntryPath to) {
        switch (from) {
            case Target.InSession entry -> session.link(entry.path(), to);
            case Target.Source source -> {
                Caller caller = caller();
                LinkSources.Source open = LinkSources.stat(caller, source.pid(), source.number());
                Fd file = LinkSources.open(caller, source.pid(), source.number());
                try {
                    session.adopt(file, to, PreserveCommand.MODE, open.uid(), open.gid());
                } finally {
                    ForeignFiles.close(file, caller.uid());
                }
            }
            case Target.Control file -> throw notLinkable();
            case Target.Socket name -> throw notLinkable();
            case Target.Sources sources -> throw notLinkable();
            case Target.Self self -> throw notLinkable();
            case Target.OfProcess process -> throw notLinkable();
        }
        return 0;
    }

    private static ErrnoException notLinkable() {
        return new ErrnoException(Errno.EPERM, "kexecfs's own files have one name");
    }

    // ---- open files

    private int create(EntryPath path, int mode, FuseFileInfo file) {
        Caller caller = caller();
        OpenFile open = session.create(path, mode & 07777, caller.uid(), caller.gid());
        file.fh.set(add(open));
        return 0;
    }

    private int open(Target target, FuseFileInfo file) {
        int flags = file.flags.get();
        file.fh.set(
                switch (target) {
                    case Target.InSession entry ->
                        add(session.open(entry.path(), (flags & Fd.O_ACCMODE) != Fd.O_RDONLY));
                    case Target.Control control -> openControl(control.file(), flags);
                    case Target.Source source ->
                        throw new ErrnoException(Errno.EPERM, "a link source is for link(2), and not opened");
                    case Target.Socket name ->
                        throw new ErrnoException(Errno.ENXIO, "a socket is connected to, and not opened");
                    case Target.Sources sources -> throw new ErrnoException(Errno.EISDIR, "kexecfs.fd");
                    case Target.OfProcess process -> throw new ErrnoException(Errno.EISDIR, "kexecfs.fd");
                    case Target.Self self -> throw new ErrnoException(Errno.ELOOP, "kexecfs.fd/self");
                });
        return 0;
    }

    private long add(OpenFile open) {
        long number = handles.add(new Handle.OfEntry(open));
        try {
            passthrough.open(number, open);
            return number;
        } catch (RuntimeException e) {
            handles.remove(number);
            throw e;
        }
    }

    private long openControl(ControlFile file, int flags) {
        boolean reads = (flags & Fd.O_ACCMODE) != Fd.O_WRONLY;
        boolean writes = (flags & Fd.O_ACCMODE) != Fd.O_RDONLY;
        // Root passes every mode; a file that has nothing to read, or does nothing, still says so.
        if (file.isCommand() ? reads : writes) {
            throw new ErrnoException(
                    Errno.EACCES, file.fileName() + (file.isCommand() ? " is written only" : " is read only"));
        }
        Optional<ProcessStatus> opener =
                file == ControlFile.PRESERVE ? Optional.of(caller().process()) : Optional.empty();
        long number = handles.add(new Handle.OfControl(file, new ControlFile.Context(session, passthrough), opener));
        watch.read(number);
        return number;
    }

    private int read(FuseFileInfo file, Pointer buffer, long size, long offset) {
        long number = file.fh.get();
        return switch (handles.get(number)) {
            case Handle.OfEntry entry -> (int) entry.file().file().pread(buffer, size, offset);
            case Handle.OfControl control -> {
                if (offset == 0) {
                    // First, so that a change in between is told of, and not lost.
                    watch.read(number);
                }
                yield control.read(buffer, size, offset);
            }
            case Handle.OfDirectory directory -> throw isDirectory();
        };
    }

    private int write(FuseFileInfo file, Pointer buffer, long size, long offset) {
        return switch (handles.get(file.fh.get())) {
            case Handle.OfEntry entry -> {
                boolean append = (file.flags.get() & Fd.O_APPEND) != 0;
                Fd memory = entry.file().file();
                yield (int) entry.file()
                        .write(
                                size,
                                offset,
                                append,
                                () -> append ? memory.append(buffer, size) : memory.pwrite(buffer, size, offset));
            }
            case Handle.OfControl control -> {
                command(control, bytes(buffer, size));
                yield (int) size;
            }
            case Handle.OfDirectory directory -> throw isDirectory();
        };
    }

    private void command(Handle.OfControl control, byte[] text) {
        if (control.file() == ControlFile.PRESERVE) {
            try {
                Caller caller = caller();
                control.requireNoMoreThanOpener(caller.process());
                PreserveCommand.parse(text).run(session, caller);
            } finally {
                validity.changed();
            }
        } else {
            command(control.file(), new String(text, java.nio.charset.StandardCharsets.UTF_8));
        }
    }

    /** {@link ControlFile#write}, by whatever way it was asked for. */
    void command(ControlFile file, String word) {
        try {
            file.write(session, word);
        } finally {
            validity.changed();
        }
    }

    private static byte[] bytes(Pointer buffer, long size) {
        if (size > PreserveCommand.LONGEST) {
            throw new ErrnoException(Errno.EINVAL, "a command of " + size + " bytes");
        }
        byte[] text = new byte[(int) size];
        buffer.get(0, text, 0, text.length);
        return text;
    }

    /** close(2), of one descriptor of maybe several: whoever has written waits for LUO. */
    private int flush(FuseFileInfo file) {
        if (handles.get(file.fh.get()) instanceof Handle.OfEntry entry
                && entry.file().awaitsLuo()) {
            entry.file().sync();
        }
        return 0;
    }

    private int fsync(FuseFileInfo file) {
        if (handles.get(file.fh.get()) instanceof Handle.OfEntry entry) {
            entry.file().sync();
        }
        return 0;
    }

    private int release(FuseFileInfo file) {
        long number = file.fh.get();
        passthrough.closed(number);
        handles.remove(number);
        watch.closed(number);
        return 0;
    }

    private int truncate(Target target, long size) {
        switch (target) {
            case Target.InSession entry -> session.truncate(entry.path(), size);
            // What "echo 1 >" does before it writes.
            case Target.Control control -> {}
            case Target.Socket name -> throw notTruncatable();
            case Target.Sources sources -> throw notTruncatable();
            case Target.Self self -> throw notTruncatable();
            case Target.OfProcess process -> throw notTruncatable();
            case Target.Source source -> throw notTruncatable();
        }
        return 0;
    }

    private static ErrnoException notTruncatable() {
        return new ErrnoException(Errno.EPERM, "a link source is for link(2)");
    }

    private int ftruncate(FuseFileInfo file, long size) {
        if (handles.get(file.fh.get()) instanceof Handle.OfEntry entry) {
            entry.file().truncate(size);
        }
        return 0;
    }

    private int fallocate(FuseFileInfo file, int mode, long offset, long length) {
        if (handles.get(file.fh.get()) instanceof Handle.OfEntry entry) {
            entry.file().allocate(mode, offset, length);
            return 0;
        }
        throw new ErrnoException(Errno.EOPNOTSUPP, "a control file has no space to allocate");
    }

    /** struct fuse_conn_info: the kernel is to be told that ioctls on directories are answered. */
    private static int init(Pointer connection) {
        connection.putInt(CONNECTION_WANT, connection.getInt(CONNECTION_WANT) | FUSE_CAP_IOCTL_DIR);
        return 0;
    }

    private int ioctl(FuseFileInfo file, int number, Pointer data) {
        try {
            ioctls.run(number, data, handles.get(file.fh.get()), caller());
            return 0;
        } finally {
            validity.changed();
        }
    }

    private int poll(FuseFileInfo file, Pointer poll, Pointer events) {
        long number = file.fh.get();
        if (handles.get(number) instanceof Handle.OfControl control && control.file() == ControlFile.STATE) {
            events.putInt(0, watch.poll(number, poll));
        } else {
            events.putInt(0, StateWatch.POLLIN | StateWatch.POLLRDNORM | StateWatch.POLLOUT | StateWatch.POLLWRNORM);
            watch.forget(poll);
        }
        return 0;
    }
}
