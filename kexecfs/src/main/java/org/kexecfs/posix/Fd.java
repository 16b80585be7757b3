package org.kexecfs.posix;

import static org.kexecfs.posix.Libc.C;
import static org.kexecfs.posix.Syscall.check;
import static org.kexecfs.posix.Syscall.checkLong;
import static org.kexecfs.posix.Syscall.failed;
import static org.kexecfs.posix.Syscall.isInterrupted;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicBoolean;
import jnr.constants.platform.linux.Errno;
import jnr.ffi.Memory;
import jnr.ffi.Pointer;

/**
 * A file descriptor that we own: closed by us, once.
 *
 * <p>All of ours are close-on-exec. Methods are named after their system call and throw an
 * {@link ErrnoException} with its errno; EBADF too once the descriptor was closed here. Safe for use by
 * several threads, but not for a close while another thread is inside a call: give each thread that may
 * outlive the owner a {@link #dup()} of its own.
 */
public final class Fd implements AutoCloseable {
    public static final int O_RDONLY = 0;
    public static final int O_WRONLY = 1;
    public static final int O_RDWR = 2;
    public static final int O_ACCMODE = 3;
    public static final int O_CREAT = 0x40;
    public static final int O_EXCL = 0x80;
    public static final int O_TRUNC = 0x200;
    public static final int O_APPEND = 0x400;
    public static final int O_NONBLOCK = 0x800;
    public static final int O_DIRECTORY = 0x10000;
    public static final int O_CLOEXEC = 0x80000;
    public static final int O_PATH = 0x200000;

    private static final int F_SETFD = 2;
    private static final int F_GETFL = 3;
    private static final int F_OFD_SETLK = 37;
    private static final short F_WRLCK = 1;
    private static final short F_UNLCK = 2;
    private static final int SIZE_OF_FLOCK = 32;
    private static final int F_DUPFD_QUERY = 1027;
    private static final int F_DUPFD_CLOEXEC = 1030;
    private static final int F_ADD_SEALS = 1033;
    private static final int F_GET_SEALS = 1034;
    private static final int FD_CLOEXEC = 1;
    private static final int EFD_CLOEXEC = 0x80000;
    private static final int MFD_CLOEXEC = 1;
    private static final int MFD_ALLOW_SEALING = 2;
    private static final int MFD_EXEC = 0x10;
    private static final int RWF_APPEND = 0x10;
    private static final int SEEK_SET = 0;
    private static final int SEEK_CUR = 1;
    private static final int LOCK_EX = 2;
    private static final int LOCK_NB = 4;
    private static final int SIZE_OF_STATFS = 120;
    private static final long HUGETLBFS_MAGIC = 0x958458f6L;
    private static final long UTIME_OMIT = (1L << 30) - 2;

    private final int number;
    private final AtomicBoolean closed = new AtomicBoolean();

    private Fd(int number) {
        this.number = number;
    }

    /** Takes over a descriptor that a system call has just returned. */
    public static Fd own(int number) {
        return new Fd(number);
    }

    /**
     * Takes over a descriptor that this process was started with; its children will not have it (fcntl(2), FD_CLOEXEC).
     *
     * @throws ErrnoException EBADF if there is none of that number
     */
    public static Fd inherit(int number) {
        check(() -> C.fcntl(number, F_SETFD, FD_CLOEXEC), () -> "fd " + number + ", inherited");
        return own(number);
    }

    /**
     * A duplicate of a descriptor that this process was started with, which stays open and our children's to inherit.
     *
     * @throws ErrnoException EBADF if it was not
     */
    public static Fd dupOf(int number) {
        return own(check(() -> C.fcntl(number, F_DUPFD_CLOEXEC, 0), () -> "fd " + number));
    }

    /**
     * open(2).
     *
     * @param path the file
     * @param flags O_*; O_CLOEXEC is added
     * @param mode permission bits of a file that is created, less the umask
     */
    public static Fd open(String path, int flags, int mode) {
        return own(check(() -> C.open(path, flags | O_CLOEXEC, mode), () -> "open(" + path + ")"));
    }

    /** open(2) of a directory, for use as a path (O_PATH | O_DIRECTORY): ENOTDIR if it is none. */
    public static Fd openDirectory(String path) {
        return open(path, O_PATH | O_DIRECTORY, 0);
    }

    /**
     * memfd_create(2), with sealing allowed.
     *
     * <p>It is asked to be executable, as memfds always were: one that is not, which sysctl vm.memfd_noexec makes the default,
     * comes back from LUO sealed against writing.
     *
     * @param name shown in /proc as {@code memfd:NAME}; up to 249 bytes
     */
    public static Fd memfd(String name) {
        int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
        try {
            return memfd(name, flags | MFD_EXEC);
        } catch (ErrnoException e) {
            // Linux before 6.3 does not know the flag; vm.memfd_noexec=2 does not allow it.
            if (e.is(Errno.EINVAL, Errno.EACCES)) {
                return memfd(name, flags);
            }
            throw e;
        }
    }

    private static Fd memfd(String name, int flags) {
        return own(check(() -> C.memfd_create(name, flags), () -> "memfd_create(" + name + ")"));
    }

    /** The two ends of a pipe (pipe2(2)): {@code read} is at its end once no {@code write} is open anywhere. */
    public record Pipe(Fd read, Fd write) implements AutoCloseable {
        @Override
        public void close() {
            read.close();
            write.close();
        }
    }

    /** pipe2(2): EMFILE, ENFILE. */
    public static Pipe pipe() {
        Pointer ends = allocate(8);
        check(() -> C.pipe2(ends, O_CLOEXEC), () -> "pipe2");
        return new Pipe(own(ends.getInt(0)), own(ends.getInt(4)));
    }

    /** An event that {@link #signal} makes poll(2) see (eventfd(2)). */
    public static Fd event() {
        return own(check(() -> C.eventfd(0, EFD_CLOEXEC), () -> "eventfd"));
    }

    /** Lets the event happen; it stays so until {@link #reset}. */
    public void signal() {
        Pointer one = allocate(8);
        one.putLong(0, 1);
        write(one, 8);
    }

    /** Waits for the event, if it has not happened, and lets it be to come again. */
    public void reset() {
        read(allocate(8), 8);
    }

    /**
     * Another open file of the same file, with an access mode, position and flags of its own (open(2) of
     * /proc/self/fd).
     *
     * @param access O_RDONLY, O_WRONLY or O_RDWR
     * @throws ErrnoException EACCES if the file's own permission bits do not allow it; EPERM, ETXTBSY
     */
    public Fd reopen(int access) {
        return open("/proc/self/fd/" + number(), access, 0);
    }

    /** fchmod(2). */
    public void chmod(int mode) {
        check(() -> C.fchmod(number(), mode), () -> told("fchmod"));
    }

    /** The descriptor's number, EBADF if it was closed. */
    public int number() {
        if (closed.get()) {
            throw new ErrnoException(Errno.EBADF, "fd " + number + ", closed before");
        }
        return number;
    }

    /** A second descriptor of the same open file (fcntl(2), F_DUPFD_CLOEXEC). */
    public Fd dup() {
        return own(check(() -> C.fcntl(number(), F_DUPFD_CLOEXEC, 0), () -> told("dup")));
    }

    /**
     * pread(2) into memory that the caller owns.
     *
     * @param count bytes wanted
     * @param offset in the file, 0 or more
     * @return bytes read, 0 at the end of the file
     */
    public long pread(Pointer buffer, long count, long offset) {
        return checkLong(() -> C.pread(number(), buffer, count, offset), () -> told("pread"));
    }

    /** pwrite(2) from memory that the caller owns; returns the bytes written. */
    public long pwrite(Pointer buffer, long count, long offset) {
        return checkLong(() -> C.pwrite(number(), buffer, count, offset), () -> told("pwrite"));
    }

    /** pwritev2(2) with RWF_APPEND: writes at the end of the file, wherever that is by then; returns the bytes written. */
    public long append(Pointer buffer, long count) {
        Pointer vector = allocate(16);
        vector.putPointer(0, buffer);
        vector.putLong(8, count);
        return checkLong(() -> C.pwritev2(number(), vector, 1, 0, RWF_APPEND), () -> told("pwritev2"));
    }

    /**
     * Reads until {@code buffer} is full or the file ends (pread(2)).
     *
     * @return bytes read
     */
    public int pread(byte[] buffer, long offset) {
        Pointer memory = allocate(buffer.length);
        int done = 0;
        while (done < buffer.length) {
            int n = (int) pread(memory, buffer.length - done, offset + done);
            if (n == 0) {
                break;
            }
            memory.get(0, buffer, done, n);
            done += n;
        }
        return done;
    }

    /** Writes all of {@code bytes} (pwrite(2)). */
    public void pwrite(byte[] bytes, long offset) {
        int done = 0;
        while (done < bytes.length) {
            byte[] rest = done == 0 ? bytes : java.util.Arrays.copyOfRange(bytes, done, bytes.length);
            long to = offset + done;
            done += (int) checkLong(() -> C.pwrite(number(), rest, rest.length, to), () -> told("pwrite"));
        }
    }

    /** read(2); 0 at the end. */
    public long read(Pointer buffer, long count) {
        long result;
        do {
            result = C.read(number(), buffer, count);
        } while (isInterrupted(result));
        if (result < 0) {
            throw failed(told("read"));
        }
        return result;
    }

    /** write(2); returns the bytes written. */
    public long write(Pointer buffer, long count) {
        return checkLong(() -> C.write(number(), buffer, count), () -> told("write"));
    }

    /** writev(2) of {@code count} struct iovec at {@code vector}; returns the bytes written. */
    public long writev(Pointer vector, int count) {
        long result;
        do {
            result = C.writev(number(), vector, count);
        } while (isInterrupted(result));
        if (result < 0) {
            throw failed(told("writev"));
        }
        return result;
    }

    /**
     * Copies inside the kernel, from {@code source}'s position to ours, which both move on (sendfile(2)).
     *
     * @param count bytes wanted
     * @return bytes copied, fewer if {@code source} ends before
     */
    public long copyFrom(Fd source, long count) {
        long done = 0;
        while (done < count) {
            long rest = count - done;
            long n = checkLong(
                    () -> C.sendfile(number(), source.number(), null, rest), () -> told("sendfile from " + source));
            if (n == 0) {
                break;
            }
            done += n;
        }
        return done;
    }

    /** The file position (lseek(2), SEEK_CUR). */
    public long position() {
        return checkLong(() -> C.lseek(number(), 0, SEEK_CUR), () -> told("lseek"));
    }

    /** Sets the file position (lseek(2), SEEK_SET). */
    public void position(long offset) {
        checkLong(() -> C.lseek(number(), offset, SEEK_SET), () -> told("lseek"));
    }

    /**
     * ftruncate(2).
     *
     * @param length bytes; EPERM where a seal or LUO has frozen the size, EFBIG, EINVAL
     */
    public void truncate(long length) {
        check(() -> C.ftruncate(number(), length), () -> told("ftruncate to " + length));
    }

    /**
     * fallocate(2).
     *
     * @param mode FALLOC_FL_*
     */
    public void fallocate(int mode, long offset, long length) {
        check(() -> C.fallocate(number(), mode, offset, length), () -> told("fallocate"));
    }

    /** fsync(2). */
    public void fsync() {
        check(() -> C.fsync(number()), () -> told("fsync"));
    }

    /**
     * Whether another descriptor is of the same open file, with one position and one set of flags (fcntl(2), F_DUPFD_QUERY).
     * Linux before 6.10 does not tell: there it is enough that it is the same file.
     */
    public boolean isSameOpenFile(Fd other) {
        try {
            return check(() -> C.fcntl(number(), F_DUPFD_QUERY, other.number()), () -> told("F_DUPFD_QUERY")) == 1;
        } catch (ErrnoException e) {
            if (e.is(Errno.EINVAL)) {
                return status().id().equals(other.status().id());
            }
            throw e;
        }
    }

    /** The open file's flags (fcntl(2), F_GETFL): access mode, O_APPEND, .... */
    public int flags() {
        return check(() -> C.fcntl(number(), F_GETFL, 0), () -> told("F_GETFL"));
    }

    /**
     * The memfd's seals (fcntl(2), F_GET_SEALS).
     *
     * @return F_SEAL_* bits; EINVAL if the file is neither tmpfs nor hugetlbfs memory
     */
    public int seals() {
        return check(() -> C.fcntl(number(), F_GET_SEALS, 0), () -> told("F_GET_SEALS"));
    }

    /** Adds seals (fcntl(2), F_ADD_SEALS): EPERM if sealed against it. */
    public void addSeals(int seals) {
        check(() -> C.fcntl(number(), F_ADD_SEALS, seals), () -> told("F_ADD_SEALS"));
    }

    /**
     * flock(2), LOCK_EX, without waiting.
     *
     * @return false if another open file holds the lock
     */
    public boolean tryLock() {
        try {
            check(() -> C.flock(number(), LOCK_EX | LOCK_NB), () -> told("flock"));
            return true;
        } catch (ErrnoException e) {
            if (e.is(Errno.EAGAIN)) {
                return false;
            }
            throw e;
        }
    }

    /** flock(2), LOCK_EX, waiting for it; it goes with the last descriptor of this open file. */
    public void lock() {
        check(() -> C.flock(number(), LOCK_EX), () -> told("flock"));
    }

    /**
     * Locks one byte for this open file, without waiting (fcntl(2), F_OFD_SETLK with F_WRLCK); the lock goes with its last
     * descriptor. Again is nothing.
     *
     * @param offset 0 or more; there need be no such byte
     * @return false if another open file has the lock
     * @throws ErrnoException EBADF if it is not open for writing; ENOLCK
     */
    public boolean tryLockByte(long offset) {
        try {
            setLock(F_WRLCK, offset);
            return true;
        } catch (ErrnoException e) {
            if (e.is(Errno.EAGAIN, Errno.EACCES)) {
                return false;
            }
            throw e;
        }
    }

    /** Ends {@link #tryLockByte}'s lock (fcntl(2), F_OFD_SETLK with F_UNLCK). */
    public void unlockByte(long offset) {
        setLock(F_UNLCK, offset);
    }

    private void setLock(short type, long offset) {
        Pointer lock = allocate(SIZE_OF_FLOCK);
        lock.putShort(0, type);
        lock.putLong(8, offset);
        lock.putLong(16, 1);
        check(() -> C.fcntl(number(), F_OFD_SETLK, lock), () -> told("F_OFD_SETLK at " + offset));
    }

    /**
     * ioctl(2).
     *
     * @param request the request's number
     * @param argument the struct it takes, or null
     * @param name the request's name, for the error
     * @return what the request returned, not negative
     */
    public int ioctl(long request, Pointer argument, String name) {
        return check(() -> C.ioctl(number(), request, argument), () -> told("ioctl " + name));
    }

    /** Whether it is a terminal (isatty(3)). */
    public boolean isTerminal() {
        return C.isatty(number()) == 1;
    }

    /** Whether the file is in hugetlbfs, as a memfd of huge pages is (fstatfs(2)). */
    public boolean isHugetlb() {
        Pointer status = allocate(SIZE_OF_STATFS);
        check(() -> C.fstatfs(number(), status), () -> told("fstatfs"));
        return status.getLong(0) == HUGETLBFS_MAGIC;
    }

    /** The file's size, times and identity (statx(2)), without asking a remote filesystem. */
    public FileStatus status() {
        return FileStatus.of(this);
    }

    /** The file's identity alone (statx(2)). */
    public FileId id() {
        return FileStatus.idOf(this);
    }

    /** The path that leads to the file now, as /proc/self/fd tells it. */
    public Path path() {
        try {
            return Files.readSymbolicLink(Path.of("/proc/self/fd", Integer.toString(number())));
        } catch (IOException e) {
            throw new ErrnoException(Errno.ENOENT, told("readlink") + " " + e.getMessage());
        }
    }

    /**
     * futimens(2).
     *
     * @param accessed the new access time, or null to leave it
     * @param modified the new modification time, or null to leave it
     */
    public void setTimes(Time accessed, Time modified) {
        Pointer times = Memory.allocateDirect(Libc.RUNTIME, 32);
        put(times, 0, accessed);
        put(times, 16, modified);
        check(() -> C.futimens(number(), times), () -> told("futimens"));
    }

    private static void put(Pointer times, long at, Time time) {
        times.putLong(at, time == null ? 0 : time.seconds());
        times.putLong(at + 8, time == null ? UTIME_OMIT : time.nanoseconds());
    }

    /** Memory for a system call's argument, zeroed, freed with the object. */
    public static Pointer allocate(int bytes) {
        return Memory.allocateDirect(Libc.RUNTIME, bytes, true);
    }

    /** Bytes of a text as the kernel wants it in a struct: UTF-8, no terminator. */
    public static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    /** Closes the descriptor (close(2)); again is nothing. Its errors tell of writes, and memory has none to lose. */
    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            C.close(number);
        }
    }

    private String told(String call) {
        return call + "(fd " + number + ")";
    }

    @Override
    public String toString() {
        return "fd " + number + (closed.get() ? " (closed)" : "");
    }
}
