package org.kexecfs.posix;

import jnr.ffi.LibraryLoader;
import jnr.ffi.Pointer;
import jnr.ffi.Runtime;
import jnr.ffi.annotations.In;
import jnr.ffi.annotations.Out;
import jnr.ffi.types.mode_t;
import jnr.ffi.types.off_t;
import jnr.ffi.types.size_t;
import jnr.ffi.types.ssize_t;

/**
 * libc, function by function, as its manual pages declare them. Variadic functions are declared with the
 * arguments used here: on the platforms of LUO (x86-64, arm64) integer arguments are passed alike.
 *
 * <p>Public only because jnr-ffi implements it from another class loader; the way in is {@link Fd} and its like.
 */
public interface Libc {
    Libc C = LibraryLoader.create(Libc.class).failImmediately().load("c");
    Runtime RUNTIME = Runtime.getRuntime(C);

    int open(String path, int flags, @mode_t int mode);

    int close(int fd);

    @ssize_t
    long pread(int fd, Pointer buffer, @size_t long count, @off_t long offset);

    @ssize_t
    long pwrite(int fd, Pointer buffer, @size_t long count, @off_t long offset);

    @ssize_t
    long pread(int fd, @Out byte[] buffer, @size_t long count, @off_t long offset);

    @ssize_t
    long pwrite(int fd, @In byte[] buffer, @size_t long count, @off_t long offset);

    @ssize_t
    long read(int fd, Pointer buffer, @size_t long count);

    @ssize_t
    long write(int fd, Pointer buffer, @size_t long count);

    @ssize_t
    long writev(int fd, Pointer vector, int count);

    @ssize_t
    long pwritev2(int fd, Pointer vector, int count, @off_t long offset, int flags);

    @off_t
    long lseek(int fd, @off_t long offset, int whence);

    int ftruncate(int fd, @off_t long length);

    int fallocate(int fd, int mode, @off_t long offset, @off_t long length);

    int fsync(int fd);

    int fcntl(int fd, int command, int argument);

    int fcntl(int fd, int command, Pointer argument);

    int flock(int fd, int operation);

    int ioctl(int fd, long request, Pointer argument);

    @ssize_t
    long sendfile(int to, int from, Pointer offset, @size_t long count);

    int mkdir(String path, @mode_t int mode);

    int rename(String from, String to);

    int symlink(String target, String path);

    int statx(int directory, String path, int flags, int mask, Pointer status);

    int statx(int directory, Pointer path, int flags, int mask, Pointer status);

    int fstatfs(int fd, Pointer status);

    int futimens(int fd, Pointer times);

    int memfd_create(String name, int flags);

    int prlimit(int pid, int resource, Pointer limit, Pointer old);

    int pidfd_open(int pid, int flags);

    int pidfd_getfd(int pidfd, int target, int flags);

    int pidfd_send_signal(int pidfd, int signal, Pointer info, int flags);

    int fsopen(String type, int flags);

    int fsconfig(int fd, int command, String key, String value, int aux);

    int fsmount(int fd, int flags, int attributes);

    int openat(int directory, String path, int flags, @mode_t int mode);

    int move_mount(int from, String fromPath, int to, String toPath, int flags);

    int umount2(String target, int flags);

    int poll(Pointer fds, long count, int timeout);

    int eventfd(int initial, int flags);

    int epoll_create1(int flags);

    int epoll_ctl(int set, int operation, int fd, Pointer event);

    int epoll_wait(int set, Pointer events, int most, int timeout);

    int socket(int domain, int type, int protocol);

    int bind(int socket, Pointer address, int length);

    int listen(int socket, int backlog);

    int connect(int socket, Pointer address, int length);

    int accept4(int socket, Pointer address, Pointer length, int flags);

    int getsockopt(int socket, int level, int option, Pointer value, Pointer length);

    int setsockopt(int socket, int level, int option, Pointer value, int length);

    @ssize_t
    long sendmsg(int socket, Pointer message, int flags);

    @ssize_t
    long recvmsg(int socket, Pointer message, int flags);

    int setns(int fd, int type);

    int unshare(int flags);

    int fchdir(int fd);

    long syscall(long number, int directory, String path, Pointer how, @size_t long size);

    int open_tree(int directory, String path, int flags);

    int mount_setattr(int directory, String path, int flags, Pointer attributes, @size_t long size);

    int fchmod(int fd, @mode_t int mode);

    int pipe2(Pointer ends, int flags);

    int setsid();

    int dup3(int from, int to, int flags);

    int execvpe(Pointer program, Pointer arguments, Pointer environment);

    int sigprocmask(int how, Pointer set, Pointer old);

    int isatty(int fd);

    int posix_spawnp(Pointer pid, Pointer file, Pointer actions, Pointer attributes, Pointer argv, Pointer envp);

    int posix_spawn_file_actions_init(Pointer actions);

    int posix_spawn_file_actions_adddup2(Pointer actions, int from, int to);

    int posix_spawn_file_actions_addclose(Pointer actions, int fd);

    int posix_spawn_file_actions_addclosefrom_np(Pointer actions, int from);

    int posix_spawn_file_actions_destroy(Pointer actions);

    int posix_spawnattr_init(Pointer attributes);

    int posix_spawnattr_setsigdefault(Pointer attributes, Pointer signals);

    int posix_spawnattr_setsigmask(Pointer attributes, Pointer signals);

    int posix_spawnattr_setflags(Pointer attributes, short flags);

    int posix_spawnattr_destroy(Pointer attributes);

    int waitpid(int pid, Pointer status, int options);

    int waitid(int type, int id, Pointer info, int options);

    int kill(int pid, int signal);

    int sigaction(int signal, Pointer action, Pointer old);

    int pthread_key_create(Pointer key, Pointer destructor);

    int pthread_key_delete(int key);

    int geteuid();

    int getegid();

    int getpid();
}
