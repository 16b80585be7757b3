/*
 * What a descriptor that the program was started with is: size, position, seals, and a sum of the contents.
 *
 *   fd-facts FD
 */
#include "guest.h"

int main(int argc, char **argv) {
    errno = 0;
    if (argc != 2) die("usage: fd-facts FD");
    uint64_t fd = number(argv[1]);
    print_memfd("fd", fd, (int)fd);
    return 0;
}
