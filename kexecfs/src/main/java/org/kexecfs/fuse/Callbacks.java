package org.kexecfs.fuse;

import java.util.Objects;
import java.util.Optional;
import java.util.function.ToIntFunction;
import jnr.constants.platform.linux.Errno;
import jnr.ffi.Pointer;
import org.kexecfs.manifest.Bytes;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Time;
import org.kexecfs.session.EntryPath;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import ru.serce.jnrfuse.struct.FuseFileInfo;
import ru.serce.jnrfuse.struct.Statvfs;

/**
 * The functions that libfuse calls: one set for all mounts of this process, because each of them is native code of its own.
 * They turn C's arguments into values, and call the filesystem whose request their thread serves.
 *
 * <p>{@link #answer} is the one place where an {@link ErrnoException} becomes -errno.
 */
final class Callbacks {
    private static final Logger log = LoggerFactory.getLogger(Callbacks.class);

    private static final int CONNECTION_WANT = 24;
    private static final int FUSE_CAP_IOCTL_DIR = 1 << 11;

    private static final int SIZE_OF_TIMESPEC = 16;
    private static final long UTIME_NOW = (1L << 30) - 1;
    private static final long UTIME_OMIT = (1L << 30) - 2;

    /** The filesystem whose request this thread serves. */
    private static final ThreadLocal<KexecFs> SERVING = new ThreadLocal<>();

    static final FuseOperations OPERATIONS = make();

    private Callbacks() {}

    /** Makes them, for who has the time now. */
    static void load() {
        Objects.requireNonNull(OPERATIONS);
    }

    /** Runs what calls {@link #OPERATIONS}, on this thread, for a request to this filesystem. */
    static void serving(KexecFs filesystem, Runnable request) {
        SERVING.set(filesystem);
        try {
            request.run();
        } finally {
            SERVING.remove();
        }
    }

    private static FuseOperations make() {
        FuseOperations o = new FuseOperations(LibFuse.runtime());
        o.flags.set(FuseOperations.FLAG_NULLPATH_OK | FuseOperations.FLAG_NOPATH | FuseOperations.FLAG_UTIME_OMIT_OK);
        o.init.set(Callbacks::init);
        names(o);
        attributes(o);
        openFiles(o);
        return o;
    }

    private static void names(FuseOperations o) {
        o.readlink.set((path, buffer, size) -> answer(fs -> fs.readlink(target(path), buffer, size)));
        o.mknod.set((path, mode, device) -> answer(fs -> fs.mknod(target(path), mode)));
        o.mkdir.set((path, mode) -> answer(fs -> fs.mkdir(path(path), mode)));
        o.unlink.set(path -> answer(fs -> run(() -> fs.session().unlink(entry(path)))));
        o.rmdir.set(path -> answer(fs -> run(() -> fs.session().rmdir(entry(path)))));
        o.rename.set((from, to) -> answer(fs -> fs.rename(entry(from), entry(to))));
        o.link.set((from, to) -> answer(fs -> fs.link(target(from), path(to))));
        o.symlink.set((from, to) -> answer(fs -> {
            throw new ErrnoException(Errno.EPERM, "symlink: LUO preserves memory, not links");
        }));
    }

    private static void attributes(FuseOperations o) {
        o.getattr.set((path, status) -> answer(fs -> fs.getattr(target(path), status)));
        o.chmod.set((path, mode) -> answer(fs -> run(() -> fs.session().chmod(entry(path), mode))));
        o.chown.set((path, uid, gid) ->
                answer(fs -> run(() -> fs.session().chown(entry(path), given(uid), given(gid)))));
        o.utimens.set((path, times) -> answer(fs -> utimens(fs, entry(path), times)));
        o.truncate.set((path, size) -> answer(fs -> fs.truncate(target(path), size)));
        o.setxattr.set((path, name, value, size, flags) ->
                answer(fs -> setxattr(fs, entry(path), attribute(name), bytes(value, size), flags)));
        o.getxattr.set(
                (path, name, value, size) -> answer(fs -> fs.getxattr(target(path), attribute(name), value, size)));
        o.listxattr.set((path, list, size) -> answer(fs -> fs.listxattr(target(path), list, size)));
        o.removexattr.set((path, name) ->
                answer(fs -> run(() -> fs.session().removeXattr(entry(path), attribute(name)))));
        o.statfs.set((path, status) -> answer(fs -> fs.statfs(Statvfs.of(status))));
    }

    private static void openFiles(FuseOperations o) {
        o.create.set((path, mode, file) -> answer(fs -> fs.files().create(path(path), mode, info(file))));
        o.open.set((path, file) -> answer(fs -> fs.files().open(target(path), info(file))));
        o.fgetattr.set((path, status, file) -> answer(fs -> fs.files().getattr(info(file), status)));
        o.read.set(
                (path, buffer, size, offset, file) -> answer(fs -> fs.files().read(info(file), buffer, size, offset)));
        o.write.set(
                (path, buffer, size, offset, file) -> answer(fs -> fs.files().write(info(file), buffer, size, offset)));
        o.flush.set((path, file) -> answer(fs -> fs.files().flush(info(file))));
        o.fsync.set((path, datasync, file) -> answer(fs -> fs.files().sync(info(file))));
        o.release.set((path, file) -> answer(fs -> fs.files().release(info(file))));
        o.ftruncate.set((path, size, file) -> answer(fs -> fs.files().truncate(info(file), size)));
        o.fallocate.set((path, mode, offset, length, file) ->
                answer(fs -> fs.files().allocate(info(file), mode, offset, length)));
        o.ioctl.set((path, number, argument, file, flags, data) ->
                answer(fs -> fs.files().ioctl(info(file), number, data)));
        o.poll.set((path, file, poll, events) -> answer(fs -> fs.files().poll(info(file), poll, events)));
        o.opendir.set((path, file) -> answer(fs -> fs.files().opendir(target(path), info(file))));
        o.readdir.set((path, buffer, filler, offset, file) ->
                answer(fs -> fs.readdir(fs.files().directory(info(file)), buffer, filler)));
        o.fsyncdir.set((path, datasync, file) -> 0);
        o.releasedir.set((path, file) -> answer(fs -> fs.files().release(info(file))));
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

    private static int utimens(KexecFs fs, EntryPath path, Pointer times) {
        fs.session().setTimes(path, time(times, 0), time(times, SIZE_OF_TIMESPEC));
        return 0;
    }

    private static int setxattr(KexecFs fs, EntryPath path, Bytes attribute, Bytes value, int flags) {
        fs.session().setXattr(path, attribute, value, flags);
        return 0;
    }

    /** struct fuse_conn_info: the kernel is to be told that ioctls on directories are answered. */
    private static int init(Pointer connection) {
        connection.putInt(CONNECTION_WANT, connection.getInt(CONNECTION_WANT) | FUSE_CAP_IOCTL_DIR);
        return 0;
    }

    // ---- what arguments mean

    private static byte[] bytes(Pointer text) {
        int length = 0;
        while (text.getByte(length) != 0) {
            length++;
        }
        byte[] bytes = new byte[length];
        text.get(0, bytes, 0, length);
        return bytes;
    }

    private static Bytes bytes(Pointer value, long size) {
        byte[] bytes = new byte[(int) size];
        value.get(0, bytes, 0, bytes.length);
        return Bytes.of(bytes);
    }

    private static Target target(Pointer path) {
        return Target.of(bytes(path));
    }

    private static EntryPath path(Pointer path) {
        return EntryPath.of(bytes(path));
    }

    /** An entry that may be changed: EPERM for what is kexecfs's own. */
    private static EntryPath entry(Pointer path) {
        return target(path).entry();
    }

    private static Bytes attribute(Pointer name) {
        return Bytes.of(bytes(name));
    }

    /** chown(2)'s -1 stays what it is. */
    private static Optional<Integer> given(int id) {
        return id == -1 ? Optional.empty() : Optional.of(id);
    }

    /** utimensat(2)'s UTIME_OMIT is null. */
    private static Time time(Pointer times, long at) {
        long nanoseconds = times.getLong(at + 8);
        if (nanoseconds == UTIME_OMIT) {
            return null;
        }
        return nanoseconds == UTIME_NOW ? Time.now() : new Time(times.getLong(at), nanoseconds);
    }

    private static FuseFileInfo info(Pointer file) {
        return FuseFileInfo.of(file);
    }
}
