package org.kexecfs.fuse;

import java.util.Arrays;
import jnr.constants.platform.linux.Errno;
import jnr.ffi.Pointer;
import org.kexecfs.mount.MountViews;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.session.EntryPath;
import org.kexecfs.session.Finish;
import org.kexecfs.session.Session;
import org.kexecfs.session.State;
import org.kexecfs.session.Usage;

/**
 * Does what an ioctl says, for who may.
 *
 * <p>The right to an ioctl is the right to its control file. An open file of that very control file has it: those that do
 * something can only be opened for writing. On any other of kexecfs's own files and on the root, which can be open for
 * reading, the caller's own right is looked at: by the control file's owner and mode; and, as the kernel does not tell through
 * which mount the file was opened, only for a caller that sees a mount of this filesystem that is not read-only.
 */
final class Ioctls {
    private static final int COMMAND_OF_FUSE_IOCTL_IN = 12;

    private final Session session;
    private final ControlAttributes control;
    private final MountViews mounts;

    Ioctls(Session session, ControlAttributes control, MountViews mounts) {
        this.session = session;
        this.control = control;
        this.mounts = mounts;
    }

    /**
     * Whether a FUSE_IOCTL is for us. libfuse 2 must not see another: it would send memory that it never wrote, which the kernel
     * copies to the caller, error or not; and a shorter answer is EIO to the kernel where it asks by itself, as for
     * FS_IOC_GETFLAGS.
     *
     * @param request its body, struct fuse_ioctl_in
     */
    static boolean knows(Pointer request) {
        return Ioctl.numbered(request.getInt(COMMAND_OF_FUSE_IOCTL_IN)).isPresent();
    }

    /**
     * Does it.
     *
     * @param number the request's
     * @param data its struct, in and out; as long as the number says
     * @param handle what it is called on
     * @param caller who calls
     * @throws ErrnoException ENOTTY for an unknown number, or a file that is not kexecfs's own; EINVAL for a struct that is not
     *     as the header says; EACCES, EROFS without the right; and what the control file's write throws
     */
    void run(int number, Pointer data, Handle handle, Caller caller) {
        Ioctl ioctl = Ioctl.numbered(number).orElseThrow(Ioctls::unknown);
        if (ioctl.way() == Ioctl.Way.OUT) {
            data.setMemory(0, ioctl.size(), (byte) 0);
            data.putInt(Ioctl.SIZE, ioctl.size());
        }
        if (!isOn(handle)) {
            throw unknown();
        }
        if (ioctl.way() == Ioctl.Way.IN && data.getInt(Ioctl.SIZE) != ioctl.size()) {
            throw invalid(ioctl, "size is not " + ioctl.size());
        }
        if (ioctl.file().isCommand()) {
            requireRight(ioctl.file(), handle, caller);
        }
        switch (ioctl) {
            case PRESERVE -> new PreserveCommand(data.getInt(Ioctl.PRESERVE_FD), path(data)).run(session, caller);
            case PREPARE -> session.prepare();
            case CANCEL -> session.cancel();
            case FINISH -> session.finish(finish(data.getInt(Ioctl.FINISH_FLAGS)));
            case GET_STATE -> data.putInt(Ioctl.STATE_STATE, number(session.state()));
            case GET_INFO -> info(data);
        }
    }

    private static boolean isOn(Handle handle) {
        return switch (handle) {
            case Handle.OfControl control -> true;
            case Handle.OfDirectory directory ->
                directory.target() instanceof Target.InSession entry
                        && entry.path().isRoot();
            case Handle.OfEntry entry -> false;
        };
    }

    private void requireRight(ControlFile file, Handle handle, Caller caller) {
        if (handle instanceof Handle.OfControl open && open.file() == file) {
            return;
        }
        if (!Credentials.of(caller).may(Credentials.WRITE, control.of(file, session.stat(EntryPath.ROOT)))) {
            throw new ErrnoException(Errno.EACCES, "no right to write to " + file.fileName());
        }
        mounts.requireWritableFor(caller.thread());
    }

    private static EntryPath path(Pointer data) {
        byte[] name = new byte[Ioctl.LENGTH_OF_NAME];
        data.get(Ioctl.PRESERVE_NAME, name, 0, name.length);
        int length = 0;
        while (length < name.length && name[length] != 0) {
            length++;
        }
        if (length == name.length) {
            throw invalid(Ioctl.PRESERVE, "the name does not end");
        }
        return EntryPath.of(Arrays.copyOf(name, length));
    }

    private static Finish finish(int flags) {
        return switch (flags) {
            case 0 -> Finish.KEEP;
            case Ioctl.FINISH_STRICT -> Finish.STRICT;
            case Ioctl.FINISH_RELEASE -> Finish.RELEASE;
            default -> throw invalid(Ioctl.FINISH, "flags " + flags);
        };
    }

    private static int number(State state) {
        return switch (state) {
            case NORMAL -> 0;
            case PREPARED -> 1;
            case UPDATED -> 2;
            case FAILED -> 3;
        };
    }

    private void info(Pointer data) {
        Usage usage = session.usage();
        byte[] name = Fd.utf8(session.name());
        data.putInt(Ioctl.INFO_VERSION, ControlFile.INTERFACE_VERSION);
        data.putLong(Ioctl.INFO_CYCLE, session.cycle());
        data.putLong(Ioctl.INFO_ENTRIES, usage.entries());
        data.putLong(Ioctl.INFO_BYTES, usage.bytes());
        data.put(Ioctl.INFO_SESSION, name, 0, name.length);
    }

    private static ErrnoException unknown() {
        return new ErrnoException(Errno.ENOTTY, "an ioctl that kexecfs does not have");
    }

    private static ErrnoException invalid(Ioctl ioctl, String what) {
        return new ErrnoException(Errno.EINVAL, "KEXECFS_IOC_" + ioctl + ": " + what);
    }
}
