/*
 * Runs a command with a memfd as its descriptors 0 and 3, for the ways in that take a descriptor:
 *
 *   with-memfd SIZE SEED [--position N] [--seals LIST] COMMAND...
 */
#include "guest.h"

int main(int argc, char **argv) {
    struct memfd_wish wish = {0};
    argc = take_options(argc, argv, &wish);
    argv[argc] = NULL;
    errno = 0;
    if (argc < 4) die("usage: with-memfd SIZE SEED [--position N] [--seals LIST] COMMAND...");
    wish.size = number(argv[1]);
    wish.seed = number(argv[2]);
    int fd = memfd_as(&wish);
    if (dup2(fd, 0) < 0 || (fd != 3 && dup2(fd, 3) < 0)) die("dup2");
    if (fd == 3) fcntl(fd, F_SETFD, 0);
    execvp(argv[3], argv + 3);
    die("%s", argv[3]);
}
