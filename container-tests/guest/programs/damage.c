/*
 * Damages what another process holds in memory: the manifest of a session, in the process that serves it.
 *
 *   damage PID PART
 *
 * PART is `start`: its first page becomes other bytes, so that nothing of it can be understood; or `end`: the last byte that
 * is not 0 becomes another, so that what is before it can. The manifest is known by its first bytes.
 */
#include "guest.h"

#include <dirent.h>
#include <sys/syscall.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

#define MAGIC "kexecfs\n"

static int manifest_of(int pid) {
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0) die("process %d", pid);
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd", pid);
    DIR *directory = opendir(path);
    if (!directory) die("%s", path);
    for (struct dirent *entry; (entry = readdir(directory));) {
        char begins[sizeof MAGIC - 1];
        int fd = (int)syscall(SYS_pidfd_getfd, pidfd, atoi(entry->d_name), 0);
        if (fd < 0) continue;
        /* Only shmem files have seals. */
        if (fcntl(fd, F_GET_SEALS) >= 0 && pread(fd, begins, sizeof begins, 0) == sizeof begins &&
            !memcmp(begins, MAGIC, sizeof begins)) {
            return fd;
        }
        close(fd);
    }
    errno = 0;
    die("process %d has no manifest", pid);
}

int main(int argc, char **argv) {
    errno = 0;
    if (argc != 3) die("usage: damage PID start|end");
    int fd = manifest_of((int)number(argv[1]));
    struct stat status;
    if (fstat(fd, &status)) die("fstat");
    size_t size = (size_t)status.st_size;
    unsigned char *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (bytes == MAP_FAILED) die("mmap");
    if (!strcmp(argv[2], "start")) {
        memset(bytes, 0xA5, 4096);
        return 0;
    }
    while (size && !bytes[size - 1]) size--;
    bytes[size - 1] ^= 0x10;
    return 0;
}
