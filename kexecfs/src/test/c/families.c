/*
 * families: tries, in the current directory, system calls on its files that the tests in Java do not make, a line each:
 * the call, and OK or its errno. What it makes, it removes.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { PAGE = 4096 };

static void told(const char *what, long result)
{
	printf("%s: %s\n", what, result >= 0 ? "OK" : strerrorname_np(errno));
}

/* As told, for a call that must also have done this, which is looked at after it. */
#define did(what, call, done)                            \
	do {                                             \
		long result_ = (call);                   \
		if (result_ >= 0 && !(done))             \
			printf("%s: NOT DONE\n", what); \
		else                                     \
			told(what, result_);             \
	} while (0)

static int made(const char *name)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);

	if (fd < 0 || write(fd, "0123456789", 10) != 10 || lseek(fd, 0, SEEK_SET))
		told(name, -1);
	return fd;
}

static int holds(int fd, off_t at, const char *text)
{
	char is[64] = "";

	return pread(fd, is, strlen(text), at) == (ssize_t)strlen(text) && !strcmp(is, text);
}

static void bytes(int a, int b)
{
	char one[4] = "", two[4] = "";
	struct iovec in[2] = { { one, 3 }, { two, 3 } };
	struct iovec out[2] = { { "ab", 2 }, { "cd", 2 } };
	int pipes[2];
	off_t from = 2, to = 6;

	did("preadv", preadv(a, in, 2, 1), !strcmp(one, "123") && !strcmp(two, "456"));
	did("pwritev", pwritev(a, out, 2, 0), holds(a, 0, "abcd456789"));
	did("pwritev2 RWF_DSYNC", pwritev2(a, out, 1, 4, RWF_DSYNC), holds(a, 4, "ab"));
	did("copy_file_range", copy_file_range(a, &from, b, &to, 4, 0), holds(b, 6, "cdab"));
	lseek(b, 0, SEEK_SET);
	from = 0;
	did("sendfile", sendfile(b, a, &from, 4), holds(b, 0, "abcd"));
	if (pipe(pipes))
		told("pipe", -1);
	from = 1;
	to = 8;
	told("splice from a file", splice(a, &from, pipes[1], NULL, 2, 0));
	did("splice to a file", splice(pipes[0], NULL, b, &to, 2, 0), holds(b, 8, "bc"));
	close(pipes[0]);
	close(pipes[1]);
	told("fsync", fsync(a));
	told("fdatasync", fdatasync(a));
	told("syncfs", syncfs(a));
	told("sync_file_range", sync_file_range(a, 0, 4, SYNC_FILE_RANGE_WRITE));
	told("readahead", readahead(a, 0, 4));
	told("posix_fadvise", posix_fadvise(a, 0, 0, POSIX_FADV_DONTNEED) ? -1 : 0);
	told("FICLONE", ioctl(b, FICLONE, a));
}

static void memory(int fd)
{
	char *shared, *private;

	if (ftruncate(fd, 2 * PAGE))
		told("ftruncate", -1);
	shared = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	private = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	told("mmap MAP_SHARED", shared == MAP_FAILED ? -1 : 0);
	told("mmap MAP_PRIVATE", private == MAP_FAILED ? -1 : 0);
	if (shared == MAP_FAILED || private == MAP_FAILED)
		return;
	memcpy(shared + PAGE, "shared", 6);
	did("msync", msync(shared, 2 * PAGE, MS_SYNC), holds(fd, PAGE, "shared"));
	memcpy(private + PAGE, "other", 5);
	did("a store to a private mapping", 0, holds(fd, PAGE, "shared"));
	told("mlock", mlock(shared, PAGE));
	munlock(shared, PAGE);
	told("madvise MADV_DONTNEED", madvise(shared, 2 * PAGE, MADV_DONTNEED));
	told("mremap", mremap(shared, 2 * PAGE, PAGE, 0) == MAP_FAILED ? -1 : 0);
	did("madvise MADV_REMOVE", madvise(shared, PAGE, MADV_REMOVE), holds(fd, PAGE, "shared") && !*shared);
	munmap(shared, PAGE);
	munmap(private, 2 * PAGE);
}

static void opens(void)
{
	struct stat status;
	struct statx extended;
	struct statfs filesystem;
	int fd = open("a", O_RDWR | O_DIRECT);

	told("open O_DIRECT", fd);
	close(fd);
	fd = open("a", O_PATH);
	did("open O_PATH", fd, !fstat(fd, &status) && S_ISREG(status.st_mode));
	close(fd);
	fd = open("a", O_RDONLY | O_NOATIME);
	told("open O_NOATIME", fd);
	close(fd);
	fd = open("a", O_RDONLY | O_DIRECTORY);
	told("open O_DIRECTORY of a file", fd);
	told("faccessat AT_EACCESS", faccessat(AT_FDCWD, "a", R_OK | W_OK, AT_EACCESS));
	told("access X_OK", access("a", X_OK));
	told("statx", statx(AT_FDCWD, "a", 0, STATX_ALL, &extended));
	told("statfs", statfs("a", &filesystem));
}

static void by_descriptor(const char *label, int fd)
{
	struct timespec times[2] = { { 1000, 5 }, { 2000, 6 } };
	struct stat status = { 0 };
	char what[128], value[8];

#define SAY(call) (snprintf(what, sizeof(what), "%s%s", call, label), what)
	did(SAY("fchmod"), fchmod(fd, 0600), !fstat(fd, &status) && (status.st_mode & 07777) == 0600);
	told(SAY("fchown"), fchown(fd, 0, 0));
	did(SAY("futimens"), futimens(fd, times), !fstat(fd, &status) && status.st_mtim.tv_nsec == 6);
	told(SAY("fsetxattr"), fsetxattr(fd, "user.x", "1", 1, 0));
	told(SAY("fgetxattr"), fgetxattr(fd, "user.x", value, sizeof(value)));
	told(SAY("fremovexattr"), fremovexattr(fd, "user.x"));
	did(SAY("ftruncate"), ftruncate(fd, 5), !fstat(fd, &status) && status.st_size == 5);
	did(SAY("fallocate"), fallocate(fd, 0, 0, 10), !fstat(fd, &status) && status.st_size == 10);
}

static void locks(int a)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
	int again = open("a", O_RDWR), other = open("second", O_RDWR);
	pid_t child;
	int status;

	told("fcntl F_OFD_SETLK", fcntl(a, F_OFD_SETLK, &lock));
	lock.l_pid = 0;
	told("the same through another descriptor", fcntl(again, F_OFD_SETLK, &lock));
	told("the same through another name", fcntl(other, F_OFD_SETLK, &lock));
	lock.l_type = F_UNLCK;
	fcntl(a, F_OFD_SETLK, &lock);
	fcntl(other, F_OFD_SETLK, &lock);
	lock.l_type = F_WRLCK;
	told("fcntl F_SETLK", fcntl(a, F_SETLK, &lock));
	child = fork();
	if (!child)
		_exit(fcntl(again, F_SETLK, &lock) ? errno : 0);
	waitpid(child, &status, 0);
	errno = WEXITSTATUS(status);
	told("the same of another process", errno ? -1 : 0);
	told("fcntl F_GET_SEALS", fcntl(a, F_GET_SEALS));
	close(again);
	close(other);
}

static void names(void)
{
	struct {
		struct file_handle handle;
		unsigned char bytes[128];
	} handle = { .handle.handle_bytes = 128 };
	int mount, flags;
	int directory = open(".", O_RDONLY | O_DIRECTORY);

	told("mkdirat", mkdirat(directory, "d", 0755));
	told("linkat", linkat(directory, "a", directory, "d/third", 0));
	told("renameat into a directory", renameat(directory, "d/third", directory, "d/fourth"));
	told("unlinkat", unlinkat(directory, "d/fourth", 0));
	told("unlinkat AT_REMOVEDIR", unlinkat(directory, "d", AT_REMOVEDIR));
	told("linkat AT_EMPTY_PATH of a file of the mount", linkat(open("a", O_RDONLY), "", directory, "third", AT_EMPTY_PATH));
	unlink("third");
	told("name_to_handle_at", name_to_handle_at(directory, "a", &handle.handle, &mount, 0));
	told("readlink of a file", readlink("a", (char *)&handle, 1));
	told("FS_IOC_GETFLAGS", ioctl(open("a", O_RDONLY), FS_IOC_GETFLAGS, &flags));
	told("fsync of a directory", fsync(directory));
}

static void program(void)
{
	int from = open("/bin/true", O_RDONLY), to = open("program", O_WRONLY | O_CREAT, 0755);
	pid_t child;
	int status;

	while (sendfile(to, from, NULL, 1 << 20) > 0)
		;
	close(to);
	child = fork();
	if (!child) {
		execl("program", "program", (char *)NULL);
		_exit(errno);
	}
	waitpid(child, &status, 0);
	errno = WEXITSTATUS(status);
	told("execve", errno ? -1 : 0);
	unlink("program");
}

int main(void)
{
	int a = made("a"), b = made("b"), gone = made("gone");

	told("link", link("a", "second"));
	bytes(a, b);
	memory(b);
	opens();
	by_descriptor("", b);
	unlink("gone");
	by_descriptor(" without a name", gone);
	locks(a);
	names();
	program();
	unlink("a");
	unlink("second");
	unlink("b");
	return 0;
}
