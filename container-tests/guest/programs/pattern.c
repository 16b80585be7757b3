/*
 * Writes and checks files whose contents follow from a seed:
 *
 *   pattern write FILE SIZE SEED
 *   pattern check FILE SIZE SEED [FROM]     from the byte FROM on, a multiple of 8
 *   pattern counter FILE                    prints the first 8 bytes, which link-memfd counts in
 */
#include "guest.h"

static int check(const char *path, uint64_t size, uint64_t seed, uint64_t from) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) die("%s", path);
    struct stat status;
    if (fstat(fd, &status)) die("%s", path);
    errno = 0;
    if ((uint64_t)status.st_size != size) die("%s: %" PRIu64 " bytes, not %" PRIu64, path, (uint64_t)status.st_size, size);
    char *is = malloc(CHUNK), *wanted = malloc(CHUNK);
    if (!is || !wanted) die("malloc");
    while (from < size) {
        size_t length = size - from < CHUNK ? (size_t)(size - from) : CHUNK, got = 0;
        while (got < length) {
            ssize_t more = pread(fd, is + got, length - got, (off_t)(from + got));
            if (more < 0) die("%s: read at %" PRIu64, path, from + got);
            errno = 0;
            if (more == 0) die("%s: ends at %" PRIu64, path, from + got);
            got += (size_t)more;
        }
        pattern_fill(wanted, seed, from, length);
        if (memcmp(is, wanted, length)) {
            size_t at = 0;
            while (is[at] == wanted[at]) at++;
            errno = 0;
            die("%s: differs at byte %" PRIu64, path, from + at);
        }
        from += length;
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 5 && !strcmp(argv[1], "write")) {
        int fd = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        if (fd < 0) die("%s", argv[2]);
        pattern_write(fd, number(argv[4]), number(argv[3]));
        if (close(fd)) die("close %s", argv[2]);
        return 0;
    }
    if ((argc == 5 || argc == 6) && !strcmp(argv[1], "check")) {
        return check(argv[2], number(argv[3]), number(argv[4]), argc == 6 ? number(argv[5]) : 0);
    }
    if (argc == 3 && !strcmp(argv[1], "counter")) {
        int fd = open(argv[2], O_RDONLY | O_CLOEXEC);
        if (fd < 0) die("%s", argv[2]);
        uint64_t count = 0;
        if (pread(fd, &count, sizeof count, 0) != sizeof count) die("%s: no counter", argv[2]);
        printf("%" PRIu64 "\n", count);
        return 0;
    }
    errno = 0;
    die("usage: pattern write FILE SIZE SEED | pattern check FILE SIZE SEED [FROM] | pattern counter FILE");
}
