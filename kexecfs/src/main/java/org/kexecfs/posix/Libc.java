package org.kexecfs.posix;

import java.lang.ref.Reference;
import jnr.ffi.Pointer;
import jnr.ffi.Runtime;

/**
 * libc, function by function, as its manual pages declare them. Variadic functions are declared with the
 * arguments used here: on the platforms of LUO (x86-64, arm64) integer arguments are passed alike.
 *
 * <p>Written by hand, and not an interface that jnr-ffi implements: to make that class takes longer than all else that a keeper
 * does at its start. Public for tests; the way in is {@link Fd} and its like.
 */
public final class Libc {
    public static final Libc C = new Libc();
    public static final Runtime RUNTIME = Runtime.getSystemRuntime();

    private static final NativeLibrary LIBRARY = NativeLibrary.open("libc.so.6");

    /** Those of each request to a mount. */
    private static final NativeFunction READ = LIBRARY.function("read");

    private static final NativeFunction WRITEV = LIBRARY.function("writev");
    private static final NativeFunction STATX = LIBRARY.function("statx");

    private Libc() {}

    public int open(String path, int flags, int mode) {
        return (int) LIBRARY.call("open", path, flags, mode);
    }

    public int close(int fd) {
        return (int) LIBRARY.call("close", fd);
    }

    public long pread(int fd, Pointer buffer, long count, long offset) {
        return LIBRARY.call("pread", fd, buffer, count, offset);
    }

    public long pwrite(int fd, Pointer buffer, long count, long offset) {
        return LIBRARY.call("pwrite", fd, buffer, count, offset);
    }

    public long pwrite(int fd, byte[] bytes, long count, long offset) {
        return LIBRARY.call("pwrite", fd, bytes, count, offset);
    }

    public long read(int fd, Pointer buffer, long count) {
        long result = READ.call(fd, address(buffer), count);
        Reference.reachabilityFence(buffer);
        return result;
    }

    public long write(int fd, Pointer buffer, long count) {
        return LIBRARY.call("write", fd, buffer, count);
    }

    public long writev(int fd, Pointer vector, int count) {
        long result = WRITEV.call(fd, address(vector), count);
        Reference.reachabilityFence(vector);
        return result;
    }

    public long pwritev2(int fd, Pointer vector, int count, long offset, int flags) {
        return LIBRARY.call("pwritev2", fd, vector, count, offset, flags);
    }

    public long lseek(int fd, long offset, int whence) {
        return LIBRARY.call("lseek", fd, offset, whence);
    }

    public int ftruncate(int fd, long length) {
        return (int) LIBRARY.call("ftruncate", fd, length);
    }

    public int fallocate(int fd, int mode, long offset, long length) {
        return (int) LIBRARY.call("fallocate", fd, mode, offset, length);
    }

    public int fsync(int fd) {
        return (int) LIBRARY.call("fsync", fd);
    }

    public int fcntl(int fd, int command, int argument) {
        return (int) LIBRARY.call("fcntl", fd, command, argument);
    }

    public int fcntl(int fd, int command, Pointer argument) {
        return (int) LIBRARY.call("fcntl", fd, command, argument);
    }

    public int flock(int fd, int operation) {
        return (int) LIBRARY.call("flock", fd, operation);
    }

    public int ioctl(int fd, long request, Pointer argument) {
        return (int) LIBRARY.call("ioctl", fd, request, argument);
    }

    public long sendfile(int to, int from, Pointer offset, long count) {
        return LIBRARY.call("sendfile", to, from, offset, count);
    }

    public int mkdir(String path, int mode) {
        return (int) LIBRARY.call("mkdir", path, mode);
    }

    public int rename(String from, String to) {
        return (int) LIBRARY.call("rename", from, to);
    }

    public int unlink(String path) {
        return (int) LIBRARY.call("unlink", path);
    }

    public int symlink(String target, String path) {
        return (int) LIBRARY.call("symlink", target, path);
    }

    public int statx(int directory, String path, int flags, int mask, Pointer status) {
        return (int) LIBRARY.call("statx", directory, path, flags, mask, status);
    }

    public int statx(int directory, Pointer path, int flags, int mask, Pointer status) {
        int result = (int) STATX.call(directory, address(path), flags, mask, address(status));
        Reference.reachabilityFence(path);
        Reference.reachabilityFence(status);
        return result;
    }

    public int fstatfs(int fd, Pointer status) {
        return (int) LIBRARY.call("fstatfs", fd, status);
    }

    public int futimens(int fd, Pointer times) {
        return (int) LIBRARY.call("futimens", fd, times);
    }

    public int memfd_create(String name, int flags) {
        return (int) LIBRARY.call("memfd_create", name, flags);
    }

    public int prlimit(int pid, int resource, Pointer limit, Pointer old) {
        return (int) LIBRARY.call("prlimit", pid, resource, limit, old);
    }

    public int pidfd_open(int pid, int flags) {
        return (int) LIBRARY.call("pidfd_open", pid, flags);
    }

    public int pidfd_getfd(int pidfd, int target, int flags) {
        return (int) LIBRARY.call("pidfd_getfd", pidfd, target, flags);
    }

    public int pidfd_send_signal(int pidfd, int signal, Pointer info, int flags) {
        return (int) LIBRARY.call("pidfd_send_signal", pidfd, signal, info, flags);
    }

    public int fsopen(String type, int flags) {
        return (int) LIBRARY.call("fsopen", type, flags);
    }

    public int fsconfig(int fd, int command, String key, String value, int aux) {
        return (int) LIBRARY.call("fsconfig", fd, command, key, value, aux);
    }

    public int fsmount(int fd, int flags, int attributes) {
        return (int) LIBRARY.call("fsmount", fd, flags, attributes);
    }

    public int openat(int directory, String path, int flags, int mode) {
        return (int) LIBRARY.call("openat", directory, path, flags, mode);
    }

    public int move_mount(int from, String fromPath, int to, String toPath, int flags) {
        return (int) LIBRARY.call("move_mount", from, fromPath, to, toPath, flags);
    }

    public int umount2(String target, int flags) {
        return (int) LIBRARY.call("umount2", target, flags);
    }

    public int poll(Pointer fds, long count, int timeout) {
        return (int) LIBRARY.call("poll", fds, count, timeout);
    }

    public int eventfd(int initial, int flags) {
        return (int) LIBRARY.call("eventfd", initial, flags);
    }

    public int epoll_create1(int flags) {
        return (int) LIBRARY.call("epoll_create1", flags);
    }

    public int epoll_ctl(int set, int operation, int fd, Pointer event) {
        return (int) LIBRARY.call("epoll_ctl", set, operation, fd, event);
    }

    public int epoll_wait(int set, Pointer events, int most, int timeout) {
        return (int) LIBRARY.call("epoll_wait", set, events, most, timeout);
    }

    public int socket(int domain, int type, int protocol) {
        return (int) LIBRARY.call("socket", domain, type, protocol);
    }

    public int bind(int socket, Pointer address, int length) {
        return (int) LIBRARY.call("bind", socket, address, length);
    }

    public int listen(int socket, int backlog) {
        return (int) LIBRARY.call("listen", socket, backlog);
    }

    public int connect(int socket, Pointer address, int length) {
        return (int) LIBRARY.call("connect", socket, address, length);
    }

    public int accept4(int socket, Pointer address, Pointer length, int flags) {
        return (int) LIBRARY.call("accept4", socket, address, length, flags);
    }

    public int getsockopt(int socket, int level, int option, Pointer value, Pointer length) {
        return (int) LIBRARY.call("getsockopt", socket, level, option, value, length);
    }

    public int setsockopt(int socket, int level, int option, Pointer value, int length) {
        return (int) LIBRARY.call("setsockopt", socket, level, option, value, length);
    }

    public long sendmsg(int socket, Pointer message, int flags) {
        return LIBRARY.call("sendmsg", socket, message, flags);
    }

    public long recvmsg(int socket, Pointer message, int flags) {
        return LIBRARY.call("recvmsg", socket, message, flags);
    }

    public int setns(int fd, int type) {
        return (int) LIBRARY.call("setns", fd, type);
    }

    public int unshare(int flags) {
        return (int) LIBRARY.call("unshare", flags);
    }

    public int gettid() {
        return (int) LIBRARY.call("gettid");
    }

    public int close_range(int first, int last, int flags) {
        return (int) LIBRARY.call("close_range", first, last, flags);
    }

    public int fchdir(int fd) {
        return (int) LIBRARY.call("fchdir", fd);
    }

    public long syscall(long number, int directory, String path, Pointer how, long size) {
        return LIBRARY.call("syscall", number, directory, path, how, size);
    }

    public int open_tree(int directory, String path, int flags) {
        return (int) LIBRARY.call("open_tree", directory, path, flags);
    }

    public int mount_setattr(int directory, String path, int flags, Pointer attributes, long size) {
        return (int) LIBRARY.call("mount_setattr", directory, path, flags, attributes, size);
    }

    public int fchmod(int fd, int mode) {
        return (int) LIBRARY.call("fchmod", fd, mode);
    }

    public int pipe2(Pointer ends, int flags) {
        return (int) LIBRARY.call("pipe2", ends, flags);
    }

    public int setsid() {
        return (int) LIBRARY.call("setsid");
    }

    public int dup3(int from, int to, int flags) {
        return (int) LIBRARY.call("dup3", from, to, flags);
    }

    public int execvpe(Pointer program, Pointer arguments, Pointer environment) {
        return (int) LIBRARY.call("execvpe", program, arguments, environment);
    }

    public int sigprocmask(int how, Pointer set, Pointer old) {
        return (int) LIBRARY.call("sigprocmask", how, set, old);
    }

    public int isatty(int fd) {
        return (int) LIBRARY.call("isatty", fd);
    }

    public int posix_spawnp(
            Pointer pid, Pointer file, Pointer actions, Pointer attributes, Pointer argv, Pointer envp) {
        return (int) LIBRARY.call("posix_spawnp", pid, file, actions, attributes, argv, envp);
    }

    public int posix_spawn_file_actions_init(Pointer actions) {
        return (int) LIBRARY.call("posix_spawn_file_actions_init", actions);
    }

    public int posix_spawn_file_actions_adddup2(Pointer actions, int from, int to) {
        return (int) LIBRARY.call("posix_spawn_file_actions_adddup2", actions, from, to);
    }

    public int posix_spawn_file_actions_addclose(Pointer actions, int fd) {
        return (int) LIBRARY.call("posix_spawn_file_actions_addclose", actions, fd);
    }

    public int posix_spawn_file_actions_addclosefrom_np(Pointer actions, int from) {
        return (int) LIBRARY.call("posix_spawn_file_actions_addclosefrom_np", actions, from);
    }

    public int posix_spawn_file_actions_destroy(Pointer actions) {
        return (int) LIBRARY.call("posix_spawn_file_actions_destroy", actions);
    }

    public int posix_spawnattr_init(Pointer attributes) {
        return (int) LIBRARY.call("posix_spawnattr_init", attributes);
    }

    public int posix_spawnattr_setsigdefault(Pointer attributes, Pointer signals) {
        return (int) LIBRARY.call("posix_spawnattr_setsigdefault", attributes, signals);
    }

    public int posix_spawnattr_setsigmask(Pointer attributes, Pointer signals) {
        return (int) LIBRARY.call("posix_spawnattr_setsigmask", attributes, signals);
    }

    public int posix_spawnattr_setflags(Pointer attributes, short flags) {
        return (int) LIBRARY.call("posix_spawnattr_setflags", attributes, flags);
    }

    public int posix_spawnattr_destroy(Pointer attributes) {
        return (int) LIBRARY.call("posix_spawnattr_destroy", attributes);
    }

    /** With the arguments that CLONE_PARENT_SETTID takes. */
    public int clone(long function, Pointer stack, int flags, Pointer argument, Pointer parentThread) {
        return (int) LIBRARY.call("clone", function, stack, flags, argument, parentThread);
    }

    public long dlsym(Pointer library, String name) {
        return LIBRARY.call("dlsym", library, name);
    }

    public long mmap(Pointer address, long length, int protection, int flags, int fd, long offset) {
        return LIBRARY.call("mmap", address, length, protection, flags, fd, offset);
    }

    public int shutdown(int socket, int how) {
        return (int) LIBRARY.call("shutdown", socket, how);
    }

    public int waitpid(int pid, Pointer status, int options) {
        return (int) LIBRARY.call("waitpid", pid, status, options);
    }

    public int waitid(int type, int id, Pointer info, int options) {
        return (int) LIBRARY.call("waitid", type, id, info, options);
    }

    public int kill(int pid, int signal) {
        return (int) LIBRARY.call("kill", pid, signal);
    }

    public int sigaction(int signal, Pointer action, Pointer old) {
        return (int) LIBRARY.call("sigaction", signal, action, old);
    }

    public int pthread_key_create(Pointer key, Pointer destructor) {
        return (int) LIBRARY.call("pthread_key_create", key, destructor);
    }

    public int pthread_key_delete(int key) {
        return (int) LIBRARY.call("pthread_key_delete", key);
    }

    public int geteuid() {
        return (int) LIBRARY.call("geteuid");
    }

    public int getegid() {
        return (int) LIBRARY.call("getegid");
    }

    public int getpid() {
        return (int) LIBRARY.call("getpid");
    }

    public long dlopen(String file, int flags) {
        return LIBRARY.call("dlopen", file, flags);
    }

    public long dlvsym(long library, String symbol, String version) {
        return LIBRARY.call("dlvsym", library, symbol, version);
    }

    private static long address(Pointer pointer) {
        return pointer == null ? 0 : pointer.address();
    }
}
