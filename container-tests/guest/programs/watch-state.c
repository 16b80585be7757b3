/*
 * Tells what a session's state is, and each one that comes after it, a word a line, until it is killed:
 *
 *   watch-state poll|epoll FILE
 */
#include "guest.h"

#include <poll.h>
#include <sys/epoll.h>

static void tell(int fd) {
    char word[64];
    ssize_t length = pread(fd, word, sizeof word, 0);
    if (length <= 0) die("read");
    printf("%.*s", (int)length, word);
    fflush(stdout);
}

__attribute__((noreturn)) static void by_poll(int fd) {
    for (;;) {
        struct pollfd change = {.fd = fd, .events = POLLPRI};
        if (poll(&change, 1, -1) < 0) die("poll");
        tell(fd);
    }
}

__attribute__((noreturn)) static void by_epoll(int fd) {
    int set = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event change = {.events = EPOLLPRI};
    if (set < 0 || epoll_ctl(set, EPOLL_CTL_ADD, fd, &change)) die("epoll_ctl");
    for (;;) {
        if (epoll_wait(set, &change, 1, -1) < 0) die("epoll_wait");
        tell(fd);
    }
}

int main(int argc, char **argv) {
    errno = 0;
    if (argc != 3) die("usage: watch-state poll|epoll FILE");
    int fd = open(argv[2], O_RDONLY | O_CLOEXEC);
    if (fd < 0) die("%s", argv[2]);
    tell(fd);
    if (!strcmp(argv[1], "poll")) by_poll(fd);
    by_epoll(fd);
}
