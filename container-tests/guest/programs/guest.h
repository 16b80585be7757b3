/* What the guest programs share: giving up with words, LUO's ioctls, and the contents of test files. */
#ifndef KEXECFS_GUEST_H
#define KEXECFS_GUEST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Says what failed and, if errno tells, why: by its name, which the scenarios look for. */
__attribute__((noreturn, format(printf, 1, 2), unused)) static void die(const char *format, ...) {
    int error = errno;
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    if (error) fprintf(stderr, ": %s (%s)", strerrorname_np(error), strerror(error));
    fputc('\n', stderr);
    exit(1);
}

__attribute__((unused)) static uint64_t number(const char *text) {
    char *end;
    errno = 0;
    uint64_t value = strtoull(text, &end, 0);
    if (errno || end == text) die("not a number: '%s'", text);
    switch (*end) {
        case 'K': value <<= 10, end++; break;
        case 'M': value <<= 20, end++; break;
        case 'G': value <<= 30, end++; break;
    }
    errno = 0;
    if (*end) die("not a number: '%s'", text);
    return value;
}

__attribute__((unused)) static uint64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* ---- LUO. The guest's libc headers are older than it, so its numbers and structs are written out. */

#define LUO_DEVICE "/dev/liveupdate"
#define LUO_CREATE_SESSION _IO(0xBA, 0x00)
#define LUO_RETRIEVE_SESSION _IO(0xBA, 0x01)
#define LUO_PRESERVE_FD _IO(0xBA, 0x40)
#define LUO_RETRIEVE_FD _IO(0xBA, 0x41)
#define LUO_FINISH _IO(0xBA, 0x42)

struct luo_session_call {
    uint32_t size;
    int32_t fd;
    char name[64];
};

struct luo_fd_call {
    uint32_t size;
    int32_t fd;
    uint64_t token;
};

struct luo_finish_call {
    uint32_t size;
    uint32_t reserved;
};

/* The device lets in one opener at a time; whoever it is should be gone in a moment. */
__attribute__((unused)) static int luo_session(unsigned long call, const char *name) {
    int device = -1;
    for (int tries = 0; tries < 500; tries++) {
        device = open(LUO_DEVICE, O_RDWR | O_CLOEXEC);
        if (device >= 0 || errno != EBUSY) break;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    if (device < 0) die("%s", LUO_DEVICE);
    struct luo_session_call argument = {.size = sizeof argument};
    if (strlen(name) >= sizeof argument.name) {
        errno = ENAMETOOLONG;
        die("session %s", name);
    }
    strcpy(argument.name, name);
    if (ioctl(device, call, &argument)) {
        die("%s session %s", call == LUO_CREATE_SESSION ? "create" : "retrieve", name);
    }
    close(device);
    return argument.fd;
}

/* ---- The contents of test files: each 8-byte word follows from a seed and its offset, so a file can be
   checked without a second copy of it, and a page in a wrong place is seen. */

__attribute__((unused)) static inline uint64_t pattern_word(uint64_t seed, uint64_t offset) {
    return (offset / 8 + 1) * UINT64_C(0x9E3779B97F4A7C15) + seed * UINT64_C(0xC2B2AE3D27D4EB4F);
}

/* Fills LENGTH bytes that lie at OFFSET (a multiple of 8) of a file. */
__attribute__((unused)) static void pattern_fill(void *to, uint64_t seed, uint64_t offset, size_t length) {
    size_t at = 0;
    for (; at + 8 <= length; at += 8) {
        uint64_t word = pattern_word(seed, offset + at);
        memcpy((char *)to + at, &word, 8);
    }
    if (at < length) {
        uint64_t word = pattern_word(seed, offset + at);
        memcpy((char *)to + at, &word, length - at);
    }
}

#define CHUNK ((size_t)1 << 20)

__attribute__((unused)) static void pattern_write(int fd, uint64_t seed, uint64_t size) {
    char *buffer = malloc(CHUNK);
    if (!buffer) die("malloc");
    for (uint64_t offset = 0; offset < size;) {
        size_t length = size - offset < CHUNK ? (size_t)(size - offset) : CHUNK;
        pattern_fill(buffer, seed, offset, length);
        for (size_t done = 0; done < length;) {
            ssize_t written = pwrite(fd, buffer + done, length - done, (off_t)(offset + done));
            if (written < 0) die("write at %" PRIu64, offset + done);
            done += (size_t)written;
        }
        offset += length;
    }
    free(buffer);
}

/* FNV-1a, to tell contents apart: not a cryptographic sum, and slow on large files. */
__attribute__((unused)) static uint64_t sum_of(int fd) {
    char *buffer = malloc(CHUNK);
    if (!buffer) die("malloc");
    uint64_t sum = UINT64_C(0xCBF29CE484222325);
    off_t offset = 0;
    for (;;) {
        ssize_t length = pread(fd, buffer, CHUNK, offset);
        if (length < 0) die("read");
        if (length == 0) break;
        for (ssize_t at = 0; at < length; at++) sum = (sum ^ (unsigned char)buffer[at]) * UINT64_C(0x100000001B3);
        offset += length;
    }
    free(buffer);
    return sum;
}

/* One line of all that LUO keeps of a memfd. */
__attribute__((unused)) static void print_memfd(const char *label, uint64_t which, int fd) {
    struct stat status;
    if (fstat(fd, &status)) die("fstat");
    int seals = fcntl(fd, F_GET_SEALS);
    off_t position = lseek(fd, 0, SEEK_CUR);
    printf("%s=%" PRIu64 " size=%" PRIu64 " position=%" PRIu64 " seals=%d sum=%016" PRIx64 "\n", label, which,
           (uint64_t)status.st_size, (uint64_t)position, seals, sum_of(fd));
}

/* ---- A memfd as the scenarios want it. */

struct memfd_wish {
    uint64_t size;
    uint64_t seed;
    uint64_t position;
    int seals; /* F_SEAL_SEAL alone would say: no sealing allowed */
    int hugetlb;
};

__attribute__((unused)) static int seals_of(const char *list) {
    static const struct {
        const char *name;
        int seal;
    } known[] = {{"seal", F_SEAL_SEAL}, {"shrink", F_SEAL_SHRINK}, {"grow", F_SEAL_GROW},
                 {"write", F_SEAL_WRITE}, {"future-write", F_SEAL_FUTURE_WRITE}, {"exec", 0x20}};
    int seals = 0;
    char *copy = strdup(list), *rest = copy;
    for (char *name; (name = strsep(&rest, ","));) {
        size_t at = 0;
        while (at < sizeof known / sizeof *known && strcmp(known[at].name, name)) at++;
        errno = 0;
        if (at == sizeof known / sizeof *known) die("no such seal: '%s'", name);
        seals |= known[at].seal;
    }
    free(copy);
    return seals;
}

__attribute__((unused)) static int memfd_as(const struct memfd_wish *wish) {
    int fd = memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING | (wish->hugetlb ? MFD_HUGETLB : 0));
    if (fd < 0) die("memfd_create");
    if (ftruncate(fd, (off_t)wish->size)) die("ftruncate");
    /* A huge memfd can only be mapped, and its pages may not exist: it is for being refused. */
    if (!wish->hugetlb) pattern_write(fd, wish->seed, wish->size);
    if (wish->position && lseek(fd, (off_t)wish->position, SEEK_SET) < 0) die("lseek");
    if (wish->seals && fcntl(fd, F_ADD_SEALS, wish->seals)) die("seals");
    return fd;
}

/* Takes --position, --seals and --hugetlb out of the arguments; returns how many are left. */
__attribute__((unused)) static int take_options(int count, char **arguments, struct memfd_wish *wish) {
    int left = 0;
    for (int at = 0; at < count; at++) {
        if (!strcmp(arguments[at], "--hugetlb")) {
            wish->hugetlb = 1;
        } else if (!strcmp(arguments[at], "--position") && at + 1 < count) {
            wish->position = number(arguments[++at]);
        } else if (!strcmp(arguments[at], "--seals") && at + 1 < count) {
            wish->seals = seals_of(arguments[++at]);
        } else {
            arguments[left++] = arguments[at];
        }
    }
    return left;
}

/* The caller goes away, and what it has open lives on in a process of which it prints the pid. Returns
   in that process only. */
__attribute__((unused)) static void stay_behind(void) {
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) die("fork");
    if (pid > 0) {
        printf("%d\n", (int)pid);
        exit(0);
    }
    /* A shell's $(...) would wait for the end of a pipe that the child keeps open. */
    int null = open("/dev/null", O_RDWR);
    if (null >= 0) {
        dup2(null, 0);
        dup2(null, 1);
        dup2(null, 2);
        if (null > 2) close(null);
    }
    setsid();
}

#endif
