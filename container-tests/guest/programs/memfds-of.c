/*
 * The memfds that a process has open, with position and seals, which a file in the mount does not show:
 *
 *   memfds-of PID
 *
 * One line a file descriptor, in the order of /proc/PID/fd.
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

int main(int argc, char **argv) {
    errno = 0;
    if (argc != 2) die("usage: memfds-of PID");
    int pid = (int)number(argv[1]);
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0) die("process %d", pid);
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd", pid);
    DIR *directory = opendir(path);
    if (!directory) die("%s", path);
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (entry->d_name[0] == '.') continue;
        int number_there = atoi(entry->d_name);
        int fd = (int)syscall(SYS_pidfd_getfd, pidfd, number_there, 0);
        if (fd < 0) die("fd %d of process %d", number_there, pid);
        /* Not by its name in /proc: one that came through a kexec is called "/ (deleted)". Seals are of shmem
           files only, and of these a memfd has no link. */
        struct stat status;
        if (fcntl(fd, F_GET_SEALS) >= 0 && !fstat(fd, &status) && status.st_nlink == 0) {
            print_memfd("fd", (uint64_t)number_there, fd);
        }
        close(fd);
    }
    return 0;
}
