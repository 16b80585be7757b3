package org.kexecfs.fuse;

import java.nio.charset.StandardCharsets;
import java.util.Optional;
import jnr.constants.platform.linux.Errno;
import jnr.ffi.Pointer;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.ProcessStatus;
import org.kexecfs.session.EntryPath;
import org.kexecfs.session.OpenFile;
import org.kexecfs.session.Session;
import ru.serce.jnrfuse.struct.FileStat;
import ru.serce.jnrfuse.struct.FuseFileInfo;

/**
 * What is open in a mount, and the operations on it: from open(2), create or opendir, whose reply has the handle's number,
 * until release.
 *
 * <p>The bytes of an entry go through here only where the kernel does not move them by itself ({@link Passthrough}).
 */
final class OpenFiles implements AutoCloseable {
    private final LibFuse fuse;
    private final Session session;
    private final Shown shown;
    private final StateWatch watch;
    private final Passthrough passthrough;
    private final Validity validity;
    private final Ioctls ioctls;
    private final Handles handles = new Handles();

    OpenFiles(
            LibFuse fuse,
            Session session,
            Shown shown,
            StateWatch watch,
            Passthrough passthrough,
            Validity validity,
            Ioctls ioctls) {
        this.fuse = fuse;
        this.session = session;
        this.shown = shown;
        this.watch = watch;
        this.passthrough = passthrough;
        this.validity = validity;
        this.ioctls = ioctls;
    }

    /** Closes what is still open; nobody can use it any more. */
    @Override
    public void close() {
        watch.close();
        handles.closeAll();
    }

    // ---- open and closed

    int create(EntryPath path, int mode, FuseFileInfo file) {
        Caller caller = Caller.of(fuse);
        OpenFile open = session.create(path, mode & 07777, caller.uid(), caller.gid());
        file.fh.set(add(open));
        return 0;
    }

    int open(Target target, FuseFileInfo file) {
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
                file == ControlFile.PRESERVE ? Optional.of(Caller.of(fuse).process()) : Optional.empty();
        long number = handles.add(new Handle.OfControl(file, new ControlFile.Context(session, passthrough), opener));
        watch.read(number);
        return number;
    }

    int opendir(Target target, FuseFileInfo file) {
        file.fh.set(handles.add(new Handle.OfDirectory(target)));
        return 0;
    }

    /** What was opened as a directory: ENOTDIR if it is something else. */
    Target directory(FuseFileInfo file) {
        if (handles.get(file.fh.get()) instanceof Handle.OfDirectory directory) {
            return directory.target();
        }
        throw new ErrnoException(Errno.ENOTDIR, "no directory");
    }

    private static ErrnoException isDirectory() {
        return new ErrnoException(Errno.EISDIR, "a directory");
    }

    int release(FuseFileInfo file) {
        long number = file.fh.get();
        passthrough.closed(number);
        handles.remove(number);
        watch.closed(number);
        return 0;
    }

    // ---- attributes and bytes

    int getattr(FuseFileInfo file, Pointer status) {
        FileStat stat = Shown.stat(status);
        switch (handles.get(file.fh.get())) {
            case Handle.OfEntry entry -> shown.entry(stat, entry.file().stat());
            case Handle.OfControl open -> shown.control(stat, open.file());
            case Handle.OfDirectory directory -> throw isDirectory();
        }
        return 0;
    }

    int read(FuseFileInfo file, Pointer buffer, long size, long offset) {
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

    int write(FuseFileInfo file, Pointer buffer, long size, long offset) {
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
                Caller caller = Caller.of(fuse);
                control.requireNoMoreThanOpener(caller.process());
                PreserveCommand.parse(text).run(session, caller);
            } finally {
                validity.changed();
            }
        } else {
            command(control.file(), new String(text, StandardCharsets.UTF_8));
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
    int flush(FuseFileInfo file) {
        if (handles.get(file.fh.get()) instanceof Handle.OfEntry entry
                && entry.file().awaitsLuo()) {
            entry.file().sync();
        }
        return 0;
    }

    int sync(FuseFileInfo file) {
        if (handles.get(file.fh.get()) instanceof Handle.OfEntry entry) {
            entry.file().sync();
        }
        return 0;
    }

    int truncate(FuseFileInfo file, long size) {
        if (handles.get(file.fh.get()) instanceof Handle.OfEntry entry) {
            entry.file().truncate(size);
        }
        return 0;
    }

    int allocate(FuseFileInfo file, int mode, long offset, long length) {
        if (handles.get(file.fh.get()) instanceof Handle.OfEntry entry) {
            entry.file().allocate(mode, offset, length);
            return 0;
        }
        throw new ErrnoException(Errno.EOPNOTSUPP, "a control file has no space to allocate");
    }

    int ioctl(FuseFileInfo file, int number, Pointer data) {
        try {
            ioctls.run(number, data, handles.get(file.fh.get()), Caller.of(fuse));
            return 0;
        } finally {
            validity.changed();
        }
    }

    int poll(FuseFileInfo file, Pointer poll, Pointer events) {
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
