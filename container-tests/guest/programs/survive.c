/*
 * Programs that work on files of a session while its daemon is killed, time and again, and know what they were told was done:
 *
 *   survive write DIR WRITERS SEED STATE     starts the writers and stays behind; each makes, writes to, cuts, renames and
 *                                            removes files of DIR that are its own, and changes their modes, owners, times and
 *                                            attributes. A call that fails because nobody serves the mount is waited out, and
 *                                            then all its files must be as they were before the call or as they are after it.
 *                                            SIGTERM: each writes what there is to STATE.N, and ends
 *   survive end STATE WRITERS                waits until they have; fails with what they found wrong
 *   survive check DIR WRITERS STATE          all is as it was told then: every byte and attribute
 *
 * While a session is prepared, or failed, it refuses what changes names, attributes and sizes: they go on writing bytes then.
 */
#include "guest.h"

#include <signal.h>
#include <sys/xattr.h>

#define NAMES 6
#define LONGEST 30000
#define PATIENCE_US UINT64_C(300000000)

struct file {
    int is;
    uint32_t size;
    mode_t mode;
    uid_t uid;
    gid_t gid;
    struct timespec modified; /* that was set; 0 s: whenever it was written */
    char attribute[32];
    unsigned char bytes[LONGEST];
};

/* Files by name; and what was done, for people. */
struct model {
    struct file files[NAMES];
    uint64_t done, refused, interrupted;
};

static const char *directory;
static uint64_t which, chance;
static volatile sig_atomic_t enough;

static void end(int signal) {
    (void)signal;
    enough = 1;
}

static uint64_t dice(uint64_t sides) {
    chance = chance * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (chance >> 33) % sides;
}

static const char *path_of(int name) {
    static char paths[2][5000];
    static int turn;
    turn = !turn;
    snprintf(paths[turn], sizeof paths[turn], "%s/writer-%" PRIu64 "-%d", directory, which, name);
    return paths[turn];
}

/* What is there under a name; fails with errno. */
static int look(int name, struct file *file) {
    memset(file, 0, sizeof *file);
    struct stat status;
    if (lstat(path_of(name), &status)) return errno == ENOENT ? 0 : -1;
    int fd = open(path_of(name), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    ssize_t got = pread(fd, file->bytes, LONGEST, 0);
    int error = errno;
    close(fd);
    errno = error;
    if (got < 0) return -1;
    file->is = 1;
    file->size = (uint32_t)got;
    file->mode = status.st_mode & 07777;
    file->uid = status.st_uid;
    file->gid = status.st_gid;
    file->modified = status.st_mtim;
    ssize_t length = getxattr(path_of(name), "user.known", file->attribute, sizeof file->attribute - 1);
    return length < 0 && errno != ENODATA ? -1 : 0;
}

static const char *difference(const struct file *wanted, const struct file *found) {
    if (wanted->is != found->is) return wanted->is ? "it is gone" : "it should be gone";
    if (!wanted->is) return NULL;
    if (wanted->size != found->size) return "another size";
    if (memcmp(wanted->bytes, found->bytes, wanted->size)) return "other bytes";
    if (wanted->mode != found->mode) return "another mode";
    if (wanted->uid != found->uid || wanted->gid != found->gid) return "another owner";
    if (strcmp(wanted->attribute, found->attribute)) return "another attribute";
    if (wanted->modified.tv_sec && (wanted->modified.tv_sec != found->modified.tv_sec ||
                                    wanted->modified.tv_nsec != found->modified.tv_nsec)) {
        return "another time";
    }
    return NULL;
}

/* Nobody serves the mount, or did when the file was opened. */
static int is_of_a_kill(int error) {
    return error == ENOTCONN || error == ECONNABORTED || error == ENODEV || error == EIO || error == ENXIO || error == EINTR;
}

/* Whoever serves it is asked, to open a directory. */
static void await_server(void) {
    uint64_t begin = now_us();
    for (;;) {
        int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0) {
            close(fd);
            return;
        }
        if (now_us() - begin > PATIENCE_US) die("%s: nobody serves it any more", directory);
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
}

/* Looks, however often the server is killed meanwhile. */
static void see(int name, struct file *file) {
    while (look(name, file)) {
        if (!is_of_a_kill(errno)) die("look at %s", path_of(name));
        await_server();
    }
}

__attribute__((noreturn)) static void wrong(int name, const char *why, const struct file *found, const struct file *wanted) {
    errno = 0;
    die("%s: %s; %u bytes, wanted %u; mode %o, wanted %o; attribute '%s', wanted '%s'", path_of(name), why, found->size,
        wanted->size, found->mode, wanted->mode, found->attribute, wanted->attribute);
}

/* One file must be as it was or as it was to be, and is so in the model then. A write may have been done in part. */
static void settle(struct model *model, const struct model *after, int name, uint32_t from, uint32_t to) {
    static struct file found;
    see(name, &found);
    struct file *before = &model->files[name];
    const struct file *wanted = &after->files[name];
    const char *why = difference(before, &found);
    if (!why) return;
    if (!difference(wanted, &found)) {
        *before = *wanted;
        return;
    }
    if (from < to && found.is) {
        static struct file mixed;
        mixed = *wanted;
        mixed.modified = (struct timespec){0};
        mixed.size = found.size;
        int good = found.size >= before->size && found.size <= wanted->size;
        for (uint32_t at = from; good && at < to && at < found.size; at++) {
            good = found.bytes[at] == wanted->bytes[at] || (at < before->size && found.bytes[at] == before->bytes[at]);
            mixed.bytes[at] = found.bytes[at];
        }
        if (good && !(why = difference(&mixed, &found))) {
            *before = mixed;
            return;
        }
    }
    wrong(name, why, &found, before);
}

enum what { WRITE, APPEND, CUT, RENAME, UNLINK, MODE, OWNER, TIMES, ATTRIBUTE, KINDS };

/* Writes what the model has after the call; it is opened first. */
static int write_part(int name, const struct file *file, uint32_t from, uint32_t to) {
    int fd = open(path_of(name), O_WRONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    ssize_t done = pwrite(fd, file->bytes + from, to - from, from);
    int error = errno;
    close(fd);
    errno = error;
    if (done >= 0 && (uint32_t)done != to - from) {
        errno = EPERM; /* up to the size that it may not change */
        return -1;
    }
    return done < 0 ? -1 : 0;
}

/* One call; what it does if it is done is in *after. */
static void step(struct model *model, struct model *after) {
    int name = (int)dice(NAMES), other = (int)dice(NAMES);
    enum what what = (enum what)dice(KINDS);
    *after = *model;
    struct file *file = &after->files[name];
    uint32_t from = 0, to = 0;
    int failed;
    if (!file->is) {
        *file = (struct file){.is = 1, .mode = 0644};
        int fd = open(path_of(name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        failed = fd < 0;
        if (fd >= 0) close(fd);
    } else {
        switch (what) {
            case WRITE:
            case APPEND:
            case KINDS:
                from = what == APPEND || !file->size ? file->size : (uint32_t)dice(file->size);
                to = from + 1 + (uint32_t)dice(9000);
                if (to > LONGEST) to = LONGEST;
                if (what == WRITE && to > file->size) to = file->size;
                for (uint32_t at = from; at < to; at++) file->bytes[at] = (unsigned char)dice(256);
                if (to > file->size) file->size = to;
                file->modified = (struct timespec){0};
                failed = from < to && write_part(name, file, from, to);
                break;
            case CUT:
                file->size /= 2;
                file->modified = (struct timespec){0};
                memset(file->bytes + file->size, 0, LONGEST - file->size);
                failed = truncate(path_of(name), file->size);
                break;
            case RENAME:
                if (name != other) {
                    after->files[other] = *file;
                    memset(file, 0, sizeof *file);
                }
                failed = rename(path_of(name), path_of(other));
                break;
            case UNLINK:
                memset(file, 0, sizeof *file);
                failed = unlink(path_of(name));
                break;
            case MODE:
                file->mode = (mode_t)(0600 | dice(0200));
                failed = chmod(path_of(name), file->mode);
                break;
            case OWNER:
                file->uid = (uid_t)dice(1000);
                file->gid = (gid_t)dice(1000);
                file->mode &= 0777;
                failed = chown(path_of(name), file->uid, file->gid);
                break;
            case TIMES:
                file->modified = (struct timespec){1000000000 + (time_t)dice(1000000000), (long)dice(1000000000)};
                failed = utimensat(AT_FDCWD, path_of(name), (struct timespec[]){file->modified, file->modified}, 0);
                break;
            case ATTRIBUTE:
                snprintf(file->attribute, sizeof file->attribute, "%" PRIu64, dice(1000000));
                failed = setxattr(path_of(name), "user.known", file->attribute, strlen(file->attribute), 0);
                break;
        }
    }
    if (!failed) {
        *model = *after;
        model->done++;
        return;
    }
    if (errno == EBUSY || errno == EPERM) {
        /* The state forbids it; a write may have been done in part. */
        model->refused++;
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    } else if (is_of_a_kill(errno)) {
        model->interrupted++;
        await_server();
    } else {
        die("call %d on %s", (int)what, path_of(name));
    }
    /* A rename is one step: both names are of the same side of it. */
    static struct file found;
    if (what == RENAME && model->files[name].is && name != other) {
        see(name, &found);
        if (!found.is) *model = *after;
        from = to = 0;
    }
    for (int each = 0; each < NAMES; each++) settle(model, after, each, each == name ? from : 0, each == name ? to : 0);
}

static void work(const char *state, uint64_t seed) {
    static struct model model, after;
    chance = seed * 1000003 + which;
    while (!enough) {
        step(&model, &after);
        /* Who is started meanwhile is to have a processor. */
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    for (int name = 0; name < NAMES; name++) settle(&model, &model, name, 0, 0);
    char path[5000], temporary[5020];
    snprintf(path, sizeof path, "%s.%" PRIu64, state, which);
    snprintf(temporary, sizeof temporary, "%s.new", path);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, &model, sizeof model) != sizeof model || rename(temporary, path)) die("%s", path);
    exit(0);
}

static void write_all(uint64_t writers, uint64_t seed, const char *state) {
    char path[5000];
    for (uint64_t writer = 0; writer < writers; writer++) {
        snprintf(path, sizeof path, "%s.%" PRIu64, state, writer);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s.log", state);
    unlink(path);
    stay_behind();
    int said = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (said >= 0) dup2(said, 2);
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = end}, NULL);
    for (which = 0; which < writers; which++) {
        if (!fork()) work(state, seed);
    }
    /* Their process group is ours. */
    while (!enough) pause();
    signal(SIGTERM, SIG_IGN);
    kill(0, SIGTERM);
}

static void read_model(const char *state, uint64_t writer, struct model *model) {
    char path[5000];
    snprintf(path, sizeof path, "%s.%" PRIu64, state, writer);
    int fd = open(path, O_RDONLY);
    if (fd < 0 || read(fd, model, sizeof *model) != sizeof *model) die("%s", path);
    close(fd);
}

static void await_end(const char *state, uint64_t writers) {
    static struct model model;
    char path[5000];
    uint64_t done = 0, refused = 0, interrupted = 0;
    snprintf(path, sizeof path, "%s.log", state);
    uint64_t begin = now_us();
    for (uint64_t writer = 0; writer < writers; writer++) {
        char ready[5000];
        snprintf(ready, sizeof ready, "%s.%" PRIu64, state, writer);
        while (access(ready, F_OK)) {
            struct stat log;
            if ((!stat(path, &log) && log.st_size) || now_us() - begin > PATIENCE_US) {
                FILE *said = fopen(path, "r");
                for (int c; said && (c = getc(said)) != EOF;) putchar(c);
                fflush(stdout);
                errno = 0;
                die("writer %" PRIu64 " did not come to its end", writer);
            }
            nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
        }
        read_model(state, writer, &model);
        done += model.done;
        refused += model.refused;
        interrupted += model.interrupted;
    }
    printf("%" PRIu64 " calls were done, %" PRIu64 " refused, %" PRIu64 " interrupted\n", done, refused, interrupted);
}

static void check(uint64_t writers, const char *state) {
    static struct model model;
    for (which = 0; which < writers; which++) {
        read_model(state, which, &model);
        for (int name = 0; name < NAMES; name++) {
            static struct file found;
            if (look(name, &found)) die("%s", path_of(name));
            const char *why = difference(&model.files[name], &found);
            if (why) wrong(name, why, &found, &model.files[name]);
        }
    }
}

int main(int argc, char **argv) {
    const char *command = argc > 1 ? argv[1] : "";
    if (argc == 6 && !strcmp(command, "write")) {
        directory = argv[2];
        write_all(number(argv[3]), number(argv[4]), argv[5]);
    } else if (argc == 4 && !strcmp(command, "end")) {
        await_end(argv[2], number(argv[3]));
    } else if (argc == 5 && !strcmp(command, "check")) {
        directory = argv[2];
        check(number(argv[3]), argv[4]);
    } else {
        errno = 0;
        die("usage: survive write DIR WRITERS SEED STATE | end STATE WRITERS | check DIR WRITERS STATE");
    }
    return 0;
}
