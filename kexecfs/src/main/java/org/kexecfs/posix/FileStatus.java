package org.kexecfs.posix;

import static org.kexecfs.posix.Libc.C;
import static org.kexecfs.posix.Syscall.check;
import static org.kexecfs.posix.Syscall.failed;
import static org.kexecfs.posix.Syscall.isInterrupted;

import jnr.ffi.Pointer;

/**
 * What statx(2) says of a file.
 *
 * @param mode type and permission bits
 * @param links hard links
 * @param uid owner
 * @param gid group
 * @param size bytes
 * @param blocks allocated, in units of 512 bytes
 * @param blockSize preferred for input and output, bytes
 * @param accessed atime
 * @param modified mtime
 * @param changed ctime
 * @param id the file's identity while this kernel runs
 */
public record FileStatus(
        int mode,
        long links,
        int uid,
        int gid,
        long size,
        long blocks,
        long blockSize,
        Time accessed,
        Time modified,
        Time changed,
        FileId id) {
    /** Bits of {@link #mode} that hold the type. */
    public static final int S_IFMT = 0170000;

    public static final int S_IFSOCK = 0140000;
    public static final int S_IFLNK = 0120000;
    public static final int S_IFREG = 0100000;
    public static final int S_IFDIR = 0040000;

    private static final int AT_FDCWD = -100;
    private static final int AT_EMPTY_PATH = 0x1000;
    // A server may be the one we are asked by, or dead: what is known here must do.
    private static final int AT_STATX_DONT_SYNC = 0x4000;
    private static final int STATX_BASIC_STATS = 0x7ff;
    private static final int SIZE_OF_STATX = 256;

    /** A string of no bytes: to make one of Java's anew costs more than the call. */
    private static final Pointer NO_PATH = Fd.allocate(1);

    /** Each thread's, for what it asks of open files: it is asked for with each request to a mount. */
    private static final ThreadLocal<Pointer> STATX = ThreadLocal.withInitial(() -> Fd.allocate(SIZE_OF_STATX));

    static FileStatus of(Fd file) {
        return of(statx(file));
    }

    /** {@link #id} alone, for who asks for that of thousands. */
    static FileId idOf(Fd file) {
        return id(statx(file));
    }

    private static Pointer statx(Fd file) {
        Pointer s = STATX.get();
        int result;
        do {
            result = C.statx(file.number(), NO_PATH, AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_BASIC_STATS, s);
        } while (isInterrupted(result));
        if (result < 0) {
            throw failed("statx(" + file + ")");
        }
        return s;
    }

    /**
     * stat of a path, symbolic links followed, with the filesystem asked for what is current.
     *
     * @throws ErrnoException ENOENT, ENOTDIR, EACCES; ENOTCONN below a FUSE mount whose server is gone
     */
    public static FileStatus of(String path) {
        return statx(path, 0);
    }

    /** {@link #of(String)} of what is known of the file without asking a filesystem that others serve: that it is this one. */
    public static FileStatus known(String path) {
        return statx(path, AT_STATX_DONT_SYNC);
    }

    /**
     * stat of what a process has open as {@code fd}, without asking a filesystem that may be waiting for us.
     *
     * @throws ErrnoException ENOENT there is no such process or descriptor; EACCES we may not look at the process
     */
    public static FileStatus ofOpenFile(int process, int fd) {
        String path = "/proc/" + process + "/fd/" + fd;
        return statx(path, AT_STATX_DONT_SYNC);
    }

    private static FileStatus statx(String path, int flags) {
        Pointer s = Fd.allocate(SIZE_OF_STATX);
        check(() -> C.statx(AT_FDCWD, path, flags, STATX_BASIC_STATS, s), () -> "stat(" + path + ")");
        return of(s);
    }

    private static FileStatus of(Pointer s) {
        return new FileStatus(
                s.getShort(28) & 0xffff,
                s.getInt(16) & 0xffffffffL,
                s.getInt(20),
                s.getInt(24),
                s.getLong(40),
                s.getLong(48),
                s.getInt(4) & 0xffffffffL,
                time(s, 64),
                time(s, 112),
                time(s, 96),
                id(s));
    }

    private static FileId id(Pointer s) {
        return new FileId(device(s.getInt(136), s.getInt(140)), s.getLong(32));
    }

    private static long device(int major, int minor) {
        return (long) major << 32 | minor & 0xffffffffL;
    }

    private static Time time(Pointer s, long at) {
        return new Time(s.getLong(at), s.getInt(at + 8) & 0xffffffffL);
    }

    /** Whether it is a regular file. */
    public boolean isRegular() {
        return (mode & S_IFMT) == S_IFREG;
    }

    /** Whether it is a directory. */
    public boolean isDirectory() {
        return (mode & S_IFMT) == S_IFDIR;
    }
}
