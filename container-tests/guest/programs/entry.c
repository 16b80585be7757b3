/*
 * What a program does with an entry that busybox has no command for:
 *
 *   entry set FILE ATTRIBUTE VALUE      an extended attribute
 *   entry get FILE ATTRIBUTE
 *   entry list FILE...                  all of them, a line each: FILE ATTRIBUTE=VALUE
 *   entry remove FILE ATTRIBUTE
 *   entry map FILE                      maps it, MAP_SHARED, closes it, and stays behind: it counts in the
 *                                       first 8 bytes through the mapping, a step every 10 ms
 *   entry fill DIR FILES SIZE SEED      makes the files file-1, file-2, ...
 *   entry check DIR FILES SIZE SEED     that they are there, all of them and nothing else in them
 *   entry fill-each PREFIX DIRS SIZE SEED    makes PREFIX1/file, PREFIX2/file, ...
 *   entry check-each PREFIX DIRS SIZE SEED   that they are there
 */
#include "guest.h"

#include <sys/xattr.h>

static void list(const char *file) {
    char names[65536], value[65536];
    ssize_t length = llistxattr(file, names, sizeof names);
    if (length < 0) die("attributes of %s", file);
    for (char *name = names; name < names + length; name += strlen(name) + 1) {
        ssize_t size = lgetxattr(file, name, value, sizeof value);
        if (size < 0) die("%s of %s", name, file);
        printf("%s %s=%.*s\n", file, name, (int)size, value);
    }
}

__attribute__((noreturn)) static void map(const char *file) {
    int fd = open(file, O_RDWR | O_CLOEXEC);
    if (fd < 0) die("%s", file);
    volatile uint64_t *counter = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (counter == MAP_FAILED) die("map %s", file);
    close(fd);
    stay_behind();
    for (;;) {
        ++*counter;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
}

/* The formats of paths: the files of one directory, or the file of each of many. */
#define OF_ONE "%s/file-%" PRIu64
#define OF_EACH "%s%" PRIu64 "/file"

__attribute__((format(printf, 2, 0))) static void path_of(char *path, const char *format, const char *directory, uint64_t which) {
    snprintf(path, 4096, format, directory, which);
}

static void fill(const char *format, const char *directory, uint64_t files, const struct memfd_wish *wish) {
    char path[4096], *bytes = malloc(wish->size);
    if (!bytes) die("malloc");
    uint64_t begin = now_us();
    for (uint64_t which = 1; which <= files; which++) {
        path_of(path, format, directory, which);
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (fd < 0) die("%s", path);
        pattern_fill(bytes, wish->seed + which, 0, wish->size);
        if (write(fd, bytes, wish->size) != (ssize_t)wish->size) die("%s", path);
        close(fd);
    }
    printf("make-us=%" PRIu64 "\n", now_us() - begin);
}

static void check(const char *format, const char *directory, uint64_t files, const struct memfd_wish *wish) {
    char path[4096], *is = malloc(wish->size), *wanted = malloc(wish->size);
    if (!is || !wanted) die("malloc");
    for (uint64_t which = 1; which <= files; which++) {
        path_of(path, format, directory, which);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) die("%s", path);
        ssize_t got = pread(fd, is, wish->size, 0);
        if (got < 0) die("%s", path);
        pattern_fill(wanted, wish->seed + which, 0, wish->size);
        errno = 0;
        if ((uint64_t)got != wish->size || memcmp(is, wanted, wish->size)) die("%s has other contents", path);
        close(fd);
    }
}

int main(int argc, char **argv) {
    const char *command = argc > 1 ? argv[1] : "";
    if (argc == 5 && !strcmp(command, "set")) {
        if (lsetxattr(argv[2], argv[3], argv[4], strlen(argv[4]), 0)) die("set %s of %s", argv[3], argv[2]);
    } else if (argc == 4 && !strcmp(command, "get")) {
        char value[65536];
        ssize_t size = lgetxattr(argv[2], argv[3], value, sizeof value);
        if (size < 0) die("%s of %s", argv[3], argv[2]);
        printf("%.*s\n", (int)size, value);
    } else if (argc == 4 && !strcmp(command, "remove")) {
        if (lremovexattr(argv[2], argv[3])) die("remove %s of %s", argv[3], argv[2]);
    } else if (argc > 2 && !strcmp(command, "list")) {
        for (int at = 2; at < argc; at++) list(argv[at]);
    } else if (argc == 3 && !strcmp(command, "map")) {
        map(argv[2]);
    } else if (argc == 6 && (!strncmp(command, "fill", 4) || !strncmp(command, "check", 5))) {
        struct memfd_wish wish = {.size = number(argv[4]), .seed = number(argv[5])};
        const char *format = strstr(command, "-each") ? OF_EACH : OF_ONE;
        (*command == 'f' ? fill : check)(format, argv[2], number(argv[3]), &wish);
    } else {
        errno = 0;
        die("usage: entry set FILE ATTRIBUTE VALUE | get FILE ATTRIBUTE | remove FILE ATTRIBUTE | list FILE...\n"
            "       entry map FILE | fill DIR FILES SIZE SEED | check DIR FILES SIZE SEED");
    }
    return 0;
}
