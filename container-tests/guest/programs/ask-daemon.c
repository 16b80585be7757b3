/*
 * A client of kexecfsd, which must run, by kexecfs/doc/daemon-protocol.md: for those to whom a JVM a request is too much.
 *
 *   ask-daemon mount SESSION DIR [OPTIONS]        prints what it answers, unless that is ok
 *   ask-daemon many PREFIX COUNT DIR AT_ONCE      mounts PREFIX1, PREFIX2, ... on DIR/PREFIX1, ..., which it makes
 *   ask-daemon heal
 *
 * It waits a minute for one that is starting.
 */
#include "guest.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

static int connected(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *directory = getenv("KEXECFS_RUNTIME_DIRECTORY");
    snprintf(address.sun_path, sizeof address.sun_path, "%s/kexecfsd.sock", directory ? directory : "/run/kexecfs");
    uint64_t begin = now_us();
    for (;;) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0) die("socket");
        if (!connect(fd, (struct sockaddr *)&address, sizeof address)) return fd;
        if (now_us() - begin > 60000000) die("%s", address.sun_path);
        close(fd);
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
}

/* Sends the words, and returns whether the answer is ok, -1 if there is none. Another one is printed. */
static int asks(int count, char **words) {
    int fd = connected();
    char request[16384] = "1";
    size_t length = 2;
    for (int at = 0; at < count; at++) {
        size_t more = strlen(words[at]) + 1;
        if (length + more > sizeof request) die("a request that is too long");
        memcpy(request + length, words[at], more);
        length += more;
    }
    /* It may be killed at any moment. */
    if (send(fd, request, length, MSG_NOSIGNAL) != (ssize_t)length || shutdown(fd, SHUT_WR)) die("send");
    char answer[4096];
    size_t got = 0;
    for (ssize_t more; got < sizeof answer - 1; got += (size_t)more) {
        more = read(fd, answer + got, sizeof answer - 1 - got);
        if (more <= 0) break;
    }
    close(fd);
    answer[got] = 0;
    if (!strcmp(answer, "1 ok\n")) return 1;
    printf("%s", got ? answer : "no answer\n");
    return got ? 0 : -1;
}

static int mounts(char *session, char *directory, char *options) {
    return asks(5, (char *[]){"mount", session, directory, "/", options}) > 0;
}

/* One that was just killed may take a connection still. */
static int heals(void) {
    int answer;
    do answer = asks(1, (char *[]){"heal"});
    while (answer < 0);
    return answer;
}

static int mounts_many(const char *prefix, uint64_t count, const char *parent, uint64_t at_once) {
    for (uint64_t client = 0; client < at_once; client++) {
        if (fork()) continue;
        int failed = 0;
        for (uint64_t which = client + 1; which <= count; which += at_once) {
            char session[64], directory[4096];
            snprintf(session, sizeof session, "%s%" PRIu64, prefix, which);
            snprintf(directory, sizeof directory, "%s/%s", parent, session);
            if (mkdir(directory, 0755) && errno != EEXIST) die("%s", directory);
            failed |= !mounts(session, directory, "");
        }
        exit(failed);
    }
    int good = 1, status;
    while (wait(&status) > 0) good &= status == 0;
    return good;
}

int main(int argc, char **argv) {
    const char *command = argc > 1 ? argv[1] : "";
    if ((argc == 4 || argc == 5) && !strcmp(command, "mount")) {
        return !mounts(argv[2], argv[3], argc == 5 ? argv[4] : "");
    }
    if (argc == 6 && !strcmp(command, "many")) return !mounts_many(argv[2], number(argv[3]), argv[4], number(argv[5]));
    if (argc == 2 && !strcmp(command, "heal")) return !heals();
    errno = 0;
    die("usage: ask-daemon mount SESSION DIR [OPTIONS] | many PREFIX COUNT DIR AT_ONCE | heal");
}
