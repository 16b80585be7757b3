/*
 * Tries on standard input, a file open for reading and writing of 8 KiB or more, all that changes a size or the pages
 * behind it, and tells the errno of each, or OK. What succeeds is undone as far as the size goes; the first 8 bytes stay
 * as they are.
 *
 *   resize <>FILE
 */
#include "guest.h"

#include <sys/uio.h>

static off_t size;

static void told(const char *what, int failed) {
    printf("%s: %s\n", what, failed ? strerrorname_np(errno) : "OK");
    if (!failed && ftruncate(0, size)) die("the size cannot be put back");
}

int main(void) {
    struct stat status;
    char bytes[8];
    if (fstat(0, &status)) die("fstat");
    size = status.st_size;
    if (pread(0, bytes, sizeof bytes, 0) != sizeof bytes) die("read");
    struct iovec vector = {.iov_base = bytes, .iov_len = sizeof bytes};

    told("write within", pwrite(0, bytes, sizeof bytes, 0) < 0);
    told("write past the end", pwrite(0, bytes, sizeof bytes, size) < 0);
    told("append", pwritev2(0, &vector, 1, -1, RWF_APPEND) < 0);
    told("truncate to the same", ftruncate(0, size));
    told("truncate to more", ftruncate(0, size + 1));
    told("truncate to less", ftruncate(0, size - 1));
    told("allocate past the end", fallocate(0, 0, size, 4096));
    told("allocate within", fallocate(0, 0, 0, 4096));
    told("allocate past the end, size kept", fallocate(0, FALLOC_FL_KEEP_SIZE, size, 4096));
    told("punch a hole", fallocate(0, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 4096, 4096));
    return 0;
}
