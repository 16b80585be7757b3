package org.kexecfs.fuse;

import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import jnr.ffi.LibraryLoader;
import jnr.ffi.Pointer;
import jnr.ffi.annotations.In;
import jnr.ffi.annotations.Out;
import jnr.ffi.types.mode_t;
import jnr.ffi.types.off_t;
import jnr.ffi.types.size_t;
import jnr.ffi.types.ssize_t;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;

/**
 * System calls as a program makes them: a result that is not negative, or the errno's name. Public for jnr-ffi, which
 * implements it from another class loader.
 */
public interface Calls {
    Calls C = LibraryLoader.create(Calls.class).failImmediately().load("c");

    int AT_FDCWD = -100;
    int AT_SYMLINK_NOFOLLOW = 0x100;
    int RENAME_NOREPLACE = 1;
    int RENAME_EXCHANGE = 2;
    int FALLOC_FL_KEEP_SIZE = 1;
    int FALLOC_FL_PUNCH_HOLE = 2;
    int FALLOC_FL_ZERO_RANGE = 0x10;
    int XATTR_CREATE = 1;
    int XATTR_REPLACE = 2;
    long UTIME_OMIT = (1L << 30) - 2;

    int open(String path, int flags, @mode_t int mode);

    int open(@In byte[] path, int flags, @mode_t int mode);

    int close(int fd);

    @ssize_t
    long pread(int fd, @Out byte[] buffer, @size_t long count, @off_t long offset);

    @ssize_t
    long pwrite(int fd, @In byte[] buffer, @size_t long count, @off_t long offset);

    @off_t
    long lseek(int fd, @off_t long offset, int whence);

    int ftruncate(int fd, @off_t long length);

    int truncate(String path, @off_t long length);

    int fallocate(int fd, int mode, @off_t long offset, @off_t long length);

    int mkdir(String path, @mode_t int mode);

    int rmdir(String path);

    int unlink(String path);

    int unlink(@In byte[] path);

    int link(String from, String to);

    int symlink(String target, String path);

    int mknod(String path, @mode_t int mode, long device);

    int renameat2(int fromDirectory, String from, int toDirectory, String to, int flags);

    int chmod(String path, @mode_t int mode);

    int chown(String path, int uid, int gid);

    int fchmod(int fd, @mode_t int mode);

    int utimensat(int directory, String path, Pointer times, int flags);

    int setxattr(String path, String name, @In byte[] value, @size_t long size, int flags);

    int removexattr(String path, String name);

    @ssize_t
    long getxattr(String path, String name, @Out byte[] value, @size_t long size);

    @ssize_t
    long listxattr(String path, @Out byte[] list, @size_t long size);

    int fcntl(int fd, int command, Pointer argument);

    int flock(int fd, int operation);

    int poll(Pointer fds, long count, int timeout);

    int epoll_create1(int flags);

    int epoll_ctl(int epoll, int operation, int fd, Pointer event);

    int epoll_wait(int epoll, Pointer events, int count, int timeout);

    int inotify_init1(int flags);

    int inotify_add_watch(int inotify, String path, int mask);

    @ssize_t
    long read(int fd, Pointer buffer, @size_t long count);

    /** The errno's name, or the result. */
    static String said(long result) {
        return result < 0 ? errno() : Long.toString(result);
    }

    /** The name of the errno that this thread's last call left. */
    static String errno() {
        return ErrnoException.errno(jnr.ffi.Runtime.getRuntime(C).getLastError())
                .name();
    }

    /** renameat2(2) of two paths. */
    static String rename(String from, String to, int flags) {
        return said(C.renameat2(AT_FDCWD, from, AT_FDCWD, to, flags));
    }

    /** utimensat(2) of the modification time alone. */
    static String modified(String path, long seconds, long nanoseconds) {
        Pointer times = Fd.allocate(32);
        times.putLong(8, UTIME_OMIT);
        times.putLong(16, seconds);
        times.putLong(24, nanoseconds);
        return said(C.utimensat(AT_FDCWD, path, times, 0));
    }

    /** setxattr(2) of a text. */
    static String setXattr(String path, String name, String value, int flags) {
        byte[] bytes = Fd.utf8(value);
        return said(C.setxattr(path, name, bytes, bytes.length, flags));
    }

    /** getxattr(2) of a text. */
    static String xattr(String path, String name) {
        byte[] value = new byte[4096];
        long size = C.getxattr(path, name, value, value.length);
        return size < 0 ? errno() : new String(value, 0, (int) size, StandardCharsets.UTF_8);
    }

    /** listxattr(2), and getxattr(2) of each. */
    static Map<String, String> xattrs(String path) {
        byte[] list = new byte[4096];
        long size = C.listxattr(path, list, list.length);
        Map<String, String> all = new LinkedHashMap<>();
        if (size < 0) {
            all.put("listxattr", errno());
        } else if (size > 0) {
            for (String name : new String(list, 0, (int) size, StandardCharsets.UTF_8).split("\0")) {
                all.put(name, xattr(path, name));
            }
        }
        return all;
    }
}
