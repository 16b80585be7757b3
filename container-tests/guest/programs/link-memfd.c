/*
 * A program that keeps data in a memfd and puts it under kexecfs by link(2), as a user's would:
 *
 *   link-memfd DIR NAME SIZE SEED [--position N] [--seals LIST] [--hugetlb]
 *
 * It stays behind with the memfd open (its pid is printed), and counts in the first 8 bytes, a step every
 * 10 ms, until it is killed: writes after the link, after the prepare, and up to the kexec. A file that it
 * may not write, or of less than 8 bytes, stays as it is.
 */
#include "guest.h"

int main(int argc, char **argv) {
    struct memfd_wish wish = {0};
    argc = take_options(argc, argv, &wish);
    errno = 0;
    if (argc != 5) die("usage: link-memfd DIR NAME SIZE SEED [--position N] [--seals LIST] [--hugetlb]");
    wish.size = number(argv[3]);
    wish.seed = number(argv[4]);

    int fd = memfd_as(&wish);
    char source[4096], target[4096];
    snprintf(source, sizeof source, "%s/kexecfs.fd/self/%d", argv[1], fd);
    snprintf(target, sizeof target, "%s/%s", argv[1], argv[2]);
    if (link(source, target)) die("link %s to %s", source, target);

    stay_behind();
    for (uint64_t count = 1;; count++) {
        if (wish.size < sizeof count || pwrite(fd, &count, sizeof count, 0) < 0) pause();
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
}
