/*
 * LUO by its bare ioctls, without kexecfs: what the kernel does alone, to compare with.
 *
 *   luo-bare create SESSION FILES SIZE SEED [--position N] [--seals LIST] [--hugetlb]
 *       preserves FILES memfds under the tokens 1, 2, ... and stays behind with the session; the last
 *       line printed is the pid that holds it
 *   luo-bare retrieve SESSION FILES [--finish]
 *       retrieves the tokens 1 to FILES; without --finish the closing of the session finishes it
 *   luo-bare incoming SESSION
 *       is there such a session to retrieve? Finding one retrieves it, and so uses it up
 */
#include "guest.h"

static void create(const char *session, uint64_t files, struct memfd_wish *wish) {
    int luo = luo_session(LUO_CREATE_SESSION, session);
    uint64_t first_seed = wish->seed, spent = 0;
    for (uint64_t token = 1; token <= files; token++) {
        wish->seed = first_seed + token - 1;
        int fd = memfd_as(wish);
        struct luo_fd_call call = {.size = sizeof call, .fd = fd, .token = token};
        uint64_t begin = now_us();
        if (ioctl(luo, LUO_PRESERVE_FD, &call)) die("preserve token %" PRIu64, token);
        spent += now_us() - begin;
        print_memfd("token", token, fd);
        close(fd); /* the kernel has its own reference */
    }
    printf("preserve-us=%" PRIu64 "\n", spent);
    stay_behind();
    pause();
}

static void retrieve(const char *session, uint64_t files, int finish) {
    int luo = luo_session(LUO_RETRIEVE_SESSION, session);
    uint64_t spent = 0;
    for (uint64_t token = 1; token <= files; token++) {
        struct luo_fd_call call = {.size = sizeof call, .token = token};
        uint64_t begin = now_us();
        if (ioctl(luo, LUO_RETRIEVE_FD, &call)) die("retrieve token %" PRIu64, token);
        spent += now_us() - begin;
        print_memfd("token", token, call.fd);
        close(call.fd);
    }
    printf("retrieve-us=%" PRIu64 "\n", spent);
    struct luo_finish_call call = {.size = sizeof call};
    if (finish && ioctl(luo, LUO_FINISH, &call)) die("finish");
}

int main(int argc, char **argv) {
    struct memfd_wish wish = {0};
    argc = take_options(argc, argv, &wish);
    if (argc == 6 && !strcmp(argv[1], "create")) {
        wish.size = number(argv[4]);
        wish.seed = number(argv[5]);
        create(argv[2], number(argv[3]), &wish);
    } else if (argc >= 4 && !strcmp(argv[1], "retrieve")) {
        retrieve(argv[2], number(argv[3]), argc == 5 && !strcmp(argv[4], "--finish"));
    } else if (argc == 3 && !strcmp(argv[1], "incoming")) {
        luo_session(LUO_RETRIEVE_SESSION, argv[2]);
    } else {
        errno = 0;
        die("usage: luo-bare create SESSION FILES SIZE SEED [--position N] [--seals LIST] [--hugetlb]\n"
            "       luo-bare retrieve SESSION FILES [--finish]\n"
            "       luo-bare incoming SESSION");
    }
    return 0;
}
