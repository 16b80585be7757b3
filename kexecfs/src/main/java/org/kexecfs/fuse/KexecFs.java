package org.kexecfs.fuse;

import java.io.ByteArrayOutputStream;
import java.util.Arrays;
import java.util.Map;
import jnr.constants.platform.linux.Errno;
import jnr.ffi.Pointer;
import org.kexecfs.manifest.Bytes;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.FileStatus;
import org.kexecfs.posix.NativeFunction;
import org.kexecfs.posix.NativeLibrary;
import org.kexecfs.session.EntryPath;
import org.kexecfs.session.OpenFile;
import org.kexecfs.session.Session;
import ru.serce.jnrfuse.struct.FileStat;
import ru.serce.jnrfuse.struct.Statvfs;

/**
 * A session as FUSE operations: each finds out what the path means and who asks, and calls the session. Here are those on
 * names and attributes; those on open files are in {@link OpenFiles}.
 *
 * <p>Permissions are the kernel's to check, by the attributes shown here (mount option default_permissions); what it
 * cannot know, the reach into other processes, is checked in {@link LinkSources}.
 */
final class KexecFs implements FuseChannel.Filesystem, AutoCloseable {
    private final LibFuse fuse;
    private final Session session;
    private final Shown shown;
    private final Rename2 rename2;
    private final SocketName socket;
    private final OpenFiles files;

    KexecFs(LibFuse fuse, Session session, Shown shown, Rename2 rename2, SocketName socket, OpenFiles files) {
        this.fuse = fuse;
        this.session = session;
        this.shown = shown;
        this.rename2 = rename2;
        this.socket = socket;
        this.files = files;
    }

    /** The operations, for libfuse. */
    @Override
    public FuseOperations operations() {
        return Callbacks.OPERATIONS;
    }

    /** Whoever serves a request is on the thread that libfuse calls back. */
    @Override
    public void serving(Runnable request) {
        Callbacks.serving(this, request);
    }

    /** For the operations that are the session's with nothing in between. */
    Session session() {
        return session;
    }

    /** What is open in it. */
    OpenFiles files() {
        return files;
    }

    /** Closes what is still open; nobody can use it any more. */
    @Override
    public void close() {
        files.close();
    }

    // ---- attributes

    int getattr(Target target, Pointer status) {
        FileStat stat = Shown.stat(status);
        switch (target) {
            case Target.InSession entry -> shown.entry(stat, session.stat(entry.path()));
            case Target.Control file -> shown.control(stat, file.file());
            case Target.Socket name -> {
                socket.requireThere();
                shown.socket(stat);
            }
            case Target.Sources sources -> shown.sources(stat);
            case Target.Self self -> shown.self(stat, LinkSources.self(Caller.of(fuse)));
            case Target.OfProcess process -> {
                LinkSources.checkExists(Caller.of(fuse), process.pid());
                shown.process(stat);
            }
            case Target.Source source ->
                shown.source(stat, LinkSources.stat(Caller.of(fuse), source.pid(), source.number()));
        }
        return 0;
    }

    int getxattr(Target target, Bytes name, Pointer value, long size) {
        Bytes found = xattrs(target).get(name);
        if (found == null) {
            throw new ErrnoException(Errno.ENODATA, "no attribute " + name);
        }
        return copy(found.toArray(), value, size);
    }

    int listxattr(Target target, Pointer list, long size) {
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

    int truncate(Target target, long size) {
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
        return new ErrnoException(Errno.EPERM, "kexecfs's own files have no size to set");
    }

    int statfs(Statvfs status) {
        shown.usage(status);
        return 0;
    }

    // ---- names

    int readdir(Target directory, Pointer buffer, Pointer filler) {
        add(filler, buffer, Fd.utf8("."));
        add(filler, buffer, Fd.utf8(".."));
        switch (directory) {
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
                LinkSources.list(Caller.of(fuse), process.pid())
                        .forEach(number -> add(filler, buffer, Fd.utf8(number)));
            case Target.Control file -> throw notDirectory();
            case Target.Socket name -> throw notDirectory();
            case Target.Self self -> throw notDirectory();
            case Target.Source source -> throw notDirectory();
        }
        return 0;
    }

    private static ErrnoException notDirectory() {
        return new ErrnoException(Errno.ENOTDIR, "no directory");
    }

    /** fuse_fill_dir_t: (buffer, name, struct stat * or null, offset or 0). */
    private static void add(Pointer filler, Pointer buffer, byte[] name) {
        NativeLibrary.call(new NativeFunction(filler.address()), buffer, Arrays.copyOf(name, name.length + 1), null, 0);
    }

    int readlink(Target target, Pointer buffer, long size) {
        if (!(target instanceof Target.Self)) {
            throw new ErrnoException(Errno.EINVAL, "no symbolic link");
        }
        byte[] to = Fd.utf8(LinkSources.self(Caller.of(fuse)));
        int length = (int) Math.min(to.length, size - 1);
        buffer.put(0, to, 0, length);
        buffer.putByte(length, (byte) 0);
        return 0;
    }

    int mkdir(EntryPath path, int mode) {
        Caller caller = Caller.of(fuse);
        session.mkdir(path, mode & 07777, caller.uid(), caller.gid());
        return 0;
    }

    int mknod(Target target, int mode) {
        Caller caller = Caller.of(fuse);
        int type = mode & FileStatus.S_IFMT;
        if (target instanceof Target.Socket && type == FileStatus.S_IFSOCK) {
            socket.make(caller);
            return 0;
        }
        if (type != FileStatus.S_IFREG) {
            throw new ErrnoException(Errno.EOPNOTSUPP, "LUO preserves memory, not devices, pipes or sockets");
        }
        try (OpenFile made = session.create(target.entry(), mode & 07777, caller.uid(), caller.gid())) {
            made.sync();
        }
        return 0;
    }

    int rename(EntryPath from, EntryPath to) {
        session.rename(from, to, rename2.asked());
        return 0;
    }

    int link(Target from, EntryPath to) {
        switch (from) {
            case Target.InSession entry -> session.link(entry.path(), to);
            case Target.Source source -> {
                Caller caller = Caller.of(fuse);
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
}
