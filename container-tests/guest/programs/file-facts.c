/*
 * What stat(2) says of files, in full: busybox's stat leaves out the nanoseconds.
 *
 *   file-facts [--lasting] FILE...                  --lasting: without the time of the last access
 *   file-facts --touch SECONDS.NANOSECONDS FILE     sets both times
 */
#include "guest.h"

#include <libgen.h>

int main(int argc, char **argv) {
    if (argc == 4 && !strcmp(argv[1], "--touch")) {
        struct timespec times[2];
        char *rest;
        times[0].tv_sec = strtoll(argv[2], &rest, 10);
        times[0].tv_nsec = *rest == '.' ? strtol(rest + 1, NULL, 10) : 0;
        times[1] = times[0];
        if (utimensat(AT_FDCWD, argv[3], times, 0)) die("%s", argv[3]);
        return 0;
    }
    int lasting = argc > 1 && !strcmp(argv[1], "--lasting");
    for (int at = 1 + lasting; at < argc; at++) {
        struct stat s;
        if (lstat(argv[at], &s)) die("%s", argv[at]);
        printf("%s mode=%06o owner=%u:%u links=%u size=%" PRIu64, basename(argv[at]), s.st_mode, s.st_uid, s.st_gid,
               (unsigned)s.st_nlink, (uint64_t)s.st_size);
        if (!lasting) printf(" atime=%" PRId64 ".%09ld", (int64_t)s.st_atim.tv_sec, s.st_atim.tv_nsec);
        printf(" mtime=%" PRId64 ".%09ld\n", (int64_t)s.st_mtim.tv_sec, s.st_mtim.tv_nsec);
    }
    return 0;
}
