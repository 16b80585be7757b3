/*
 * Programs that work on files of a session, and a witness of what they were told was done, up to the moment of a kexec:
 *
 *   load write DIR WRITERS SEED     starts the writers and stays behind; each makes, appends to, cuts, renames, links
 *                                   and removes files of DIR that are its own, for ever, closing each when it is done
 *   load check DIR WRITERS SEED     in the next kernel: what the calls that had returned did is there, in full
 *   load hold DIR                   stays behind with two files open and written to: DIR/new, which is made for
 *                                   it, and DIR/growing, which is there
 *   load time FILE SIZE TIMES       makes a file and prints microseconds: of its first close; and of open, one more byte
 *                                   and close, and of open, a byte in its middle and close, the medians
 *
 * The witness is a memfd of one word a writer, how many calls it has begun, doubled, less one while it waits for the last. It is
 * preserved by LUO's bare ioctls, so it says what was so when the kernel stopped. What a writer's calls are follows from the
 * seed.
 */
#include "guest.h"

#define WITNESS "load-witness"
#define NAMES 6
#define LONGEST 100000

/* A file, under any number of names: its contents follow from its id. */
struct file {
    uint64_t id, size;
    int names, touched;
};

struct writer {
    uint64_t which, seed, step;
    struct file *names[NAMES];
    char directory[4096];
};

enum what { MAKE, APPEND, CUT, RENAME, LINK, UNLINK };

struct call {
    enum what what;
    int name, other;
    uint64_t size;
};

static uint64_t mixed(uint64_t x) {
    x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
    return x ^ x >> 31;
}

/* What a writer calls next: something that succeeds. */
static struct call next_call(const struct writer *w) {
    uint64_t chance = mixed(w->seed * 1000003 + w->which * 101 + w->step * UINT64_C(0x9E3779B97F4A7C15));
    struct call call = {.name = (int)(chance % NAMES), .other = (int)(chance / NAMES % NAMES)};
    uint64_t kind = chance / 64 % 16, size = chance / 4096 % LONGEST;
    const struct file *file = w->names[call.name];
    if (!file) {
        call.what = MAKE;
        call.size = chance / 1024 % 4 == 0 ? 0 : size;
    } else if (kind < 7) {
        call.what = APPEND;
        call.size = file->size + 1 + size / 8;
        if (call.size > 2 * LONGEST) call = (struct call){UNLINK, call.name, call.other, 0};
    } else if (kind < 9) {
        call.what = CUT;
        call.size = file->size / 2;
    } else if (kind < 12 && w->names[call.other] != file) {
        call.what = RENAME;
    } else if (kind < 14 && !w->names[call.other]) {
        call.what = LINK;
    } else {
        call.what = UNLINK;
    }
    return call;
}

static void drop(struct file *file) {
    if (file && --file->names == 0) free(file);
}

/* What the call does to the names and files, if it returns. */
static void apply(struct writer *w, const struct call *call) {
    struct file **name = &w->names[call->name], **other = &w->names[call->other];
    switch (call->what) {
        case MAKE:
            *name = calloc(1, sizeof **name);
            if (!*name) die("calloc");
            **name = (struct file){.id = w->which << 40 | w->step, .size = call->size, .names = 1};
            break;
        case APPEND:
        case CUT: (*name)->size = call->size; break;
        case RENAME:
            drop(*other);
            *other = *name;
            *name = NULL;
            break;
        case LINK:
            *other = *name;
            (*name)->names++;
            break;
        case UNLINK:
            drop(*name);
            *name = NULL;
            break;
    }
    w->step++;
}

static void path_of(char *path, const struct writer *w, int name) {
    snprintf(path, 5000, "%s/writer-%" PRIu64 "-%d", w->directory, w->which, name);
}

/* Bytes of a file from one size to another; a word that the first size cut is written whole. */
static void extend(int fd, uint64_t id, uint64_t from, uint64_t to) {
    static char bytes[2 * LONGEST + 16];
    uint64_t begin = from & ~UINT64_C(7);
    pattern_fill(bytes, id, begin, to - begin);
    for (uint64_t at = from; at < to;) {
        /* As programs do: not all in one write. */
        uint64_t piece = to - at < 20000 ? to - at : 20000;
        if (write(fd, bytes + (at - begin), piece) != (ssize_t)piece) die("write at %" PRIu64, at);
        at += piece;
    }
}

static void perform(const struct writer *w, const struct call *call) {
    char path[5000], other[5000];
    path_of(path, w, call->name);
    path_of(other, w, call->other);
    const struct file *file = w->names[call->name];
    int fd;
    switch (call->what) {
        case MAKE:
        case APPEND:
            fd = open(path, call->what == MAKE ? O_WRONLY | O_CREAT | O_EXCL : O_WRONLY | O_APPEND, 0644);
            if (fd < 0) die("open %s", path);
            extend(fd, file ? file->id : w->which << 40 | w->step, file ? file->size : 0, call->size);
            if (close(fd)) die("close %s", path);
            break;
        case CUT:
            if (truncate(path, (off_t)call->size)) die("truncate %s", path);
            break;
        case RENAME:
            if (rename(path, other)) die("rename %s to %s", path, other);
            break;
        case LINK:
            if (link(path, other)) die("link %s to %s", path, other);
            break;
        case UNLINK:
            if (unlink(path)) die("unlink %s", path);
            break;
    }
}

static struct writer writer_of(const char *directory, uint64_t which, uint64_t seed) {
    struct writer w = {.which = which, .seed = seed};
    snprintf(w.directory, sizeof w.directory, "%s", directory);
    return w;
}

static void write_for_ever(const char *directory, uint64_t writers, uint64_t seed) {
    int luo = luo_session(LUO_CREATE_SESSION, WITNESS);
    int fd = memfd_create("witness", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, 4096)) die("memfd");
    struct luo_fd_call call = {.size = sizeof call, .fd = fd, .token = 1};
    if (ioctl(luo, LUO_PRESERVE_FD, &call)) die("preserve the witness");
    volatile uint64_t *witness = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (witness == MAP_FAILED) die("map the witness");
    stay_behind();
    int said = open("/run/load.log", O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (said >= 0) dup2(said, 2);
    for (uint64_t which = 0; which < writers; which++) {
        if (fork()) continue;
        struct writer w = writer_of(directory, which, seed);
        for (;;) {
            struct call next = next_call(&w);
            witness[which] = 2 * w.step + 1;
            perform(&w, &next);
            witness[which] = 2 * w.step + 2;
            apply(&w, &next);
        }
    }
    for (;;) pause();
}

/* Whether the name is as the model has it; what it is not is told. */
static int is_as(const struct writer *w, int name, const char **difference) {
    static char told[8192], is[2 * LONGEST + 16], wanted[2 * LONGEST + 16];
    char path[5000];
    path_of(path, w, name);
    const struct file *file = w->names[name];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        if (errno == ENOENT && !file) return 1;
        /* Missing: only a file whose size was to change may be. */
        if (errno == EIO && file && file->touched) return 1;
        snprintf(told, sizeof told, "%s: %s, wanted %" PRIu64 " bytes", path, strerrorname_np(errno), file ? file->size : 0);
        *difference = told;
        return 0;
    }
    ssize_t size = pread(fd, is, sizeof is, 0);
    close(fd);
    if (size < 0) die("read %s", path);
    if (file) pattern_fill(wanted, file->id, 0, (file->size + 7) & ~UINT64_C(7));
    if (file && (uint64_t)size == file->size && !memcmp(is, wanted, (size_t)size)) return 1;
    snprintf(told, sizeof told, "%s: %zd bytes, wanted %" PRIu64, path, size, file ? file->size : 0);
    *difference = file ? told : "a name that should be gone";
    return 0;
}

static int all_are(const struct writer *w, const char **difference) {
    for (int name = 0; name < NAMES; name++) {
        if (!is_as(w, name, difference)) return 0;
    }
    return 1;
}

static void check(const char *directory, uint64_t writers, uint64_t seed) {
    int luo = luo_session(LUO_RETRIEVE_SESSION, WITNESS);
    struct luo_fd_call get = {.size = sizeof get, .token = 1};
    if (ioctl(luo, LUO_RETRIEVE_FD, &get)) die("retrieve the witness");
    uint64_t *witness = mmap(NULL, 4096, PROT_READ, MAP_SHARED, get.fd, 0);
    if (witness == MAP_FAILED) die("map the witness");
    uint64_t done = 0, interrupted = 0, wrong = 0;
    for (uint64_t which = 0; which < writers; which++) {
        struct writer w = writer_of(directory, which, seed);
        while (2 * w.step + 2 <= witness[which]) {
            struct call call = next_call(&w);
            apply(&w, &call);
        }
        done += w.step;
        const char *before = NULL, *after = NULL;
        struct call last = next_call(&w);
        int waiting = witness[which] & 1;
        int sizes = waiting && (last.what == APPEND || last.what == CUT);
        if (sizes) w.names[last.name]->touched = 1;
        int good = all_are(&w, &before);
        if (waiting) {
            interrupted++;
            apply(&w, &last);
            good = good || all_are(&w, &after);
        }
        if (!good) {
            wrong++;
            printf("writer %" PRIu64 ", after %" PRIu64 " calls%s (call %d): %s%s%s\n", which, w.step,
                   waiting ? ", in another" : "", (int)last.what, before, after ? "; or " : "", after ? after : "");
        }
    }
    printf("%" PRIu64 " calls of %" PRIu64 " writers had returned, %" PRIu64 " were interrupted\n", done, writers, interrupted);
    errno = 0;
    if (wrong) die("%" PRIu64 " writers do not find what they left", wrong);
    if (done < 2 * writers) die("they have hardly begun");
}

static void hold(const char *directory) {
    char path[5000];
    /* First, for the end of a process is a close of all that it has open. */
    stay_behind();
    snprintf(path, sizeof path, "%s/new", directory);
    int made = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    snprintf(path, sizeof path, "%s/growing", directory);
    int growing = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    while (write(growing, "more", 4) == 4 && write(made, "more", 4) == 4) sleep(1);
}

static int by_size(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The median of what open, a write and close take. */
static uint64_t changes(const char *path, uint64_t times, int flags, off_t at) {
    uint64_t *took = calloc(times, sizeof *took);
    if (!took) die("calloc");
    for (uint64_t time = 0; time < times; time++) {
        uint64_t begin = now_us();
        int fd = open(path, O_WRONLY | flags);
        if (fd < 0 || pwrite(fd, "x", 1, at) != 1 || close(fd)) die("%s", path);
        took[time] = now_us() - begin;
    }
    qsort(took, times, sizeof *took, by_size);
    return took[times / 2];
}

static void time_closes(const char *path, uint64_t size, uint64_t times) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
    if (fd < 0) die("%s", path);
    pattern_write(fd, 1, size);
    uint64_t begin = now_us();
    if (close(fd)) die("%s", path);
    printf("first-close-us=%" PRIu64 "\n", now_us() - begin);
    printf("longer-us=%" PRIu64 "\n", changes(path, times, O_APPEND, 0));
    printf("within-us=%" PRIu64 "\n", changes(path, times, 0, (off_t)size / 2));
}

int main(int argc, char **argv) {
    const char *command = argc > 1 ? argv[1] : "";
    if (argc == 5 && !strcmp(command, "write")) {
        write_for_ever(argv[2], number(argv[3]), number(argv[4]));
    } else if (argc == 5 && !strcmp(command, "check")) {
        check(argv[2], number(argv[3]), number(argv[4]));
    } else if (argc == 3 && !strcmp(command, "hold")) {
        hold(argv[2]);
    } else if (argc == 5 && !strcmp(command, "time")) {
        time_closes(argv[2], number(argv[3]), number(argv[4]));
    } else {
        errno = 0;
        die("usage: load write DIR WRITERS SEED | check DIR WRITERS SEED | hold DIR | time FILE SIZE TIMES");
    }
    return 0;
}
