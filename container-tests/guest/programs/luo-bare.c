/*
 * LUO by its bare ioctls, without kexecfs: what the kernel does alone, to compare with.
 *
 *   luo-bare create SESSION FILES SIZE SEED [--position N] [--seals LIST] [--hugetlb]
 *       preserves FILES memfds under the tokens 1, 2, ... and stays behind with the session; the last
 *       line printed is the pid that holds it
 *   luo-bare retrieve SESSION FILES [--finish]
 *       retrieves the tokens 1 to FILES; without --finish the closing of the session finishes it
 *   luo-bare create-many PREFIX SESSIONS SIZE SEED
 *   luo-bare retrieve-many PREFIX SESSIONS
 *       the same with the sessions PREFIX1, PREFIX2, ... and one file in each; the second one finishes them
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

static int session_of(unsigned long call, const char *prefix, uint64_t which) {
    char name[64];
    snprintf(name, sizeof name, "%s%" PRIu64, prefix, which);
    return luo_session(call, name);
}

static void create_many(const char *prefix, uint64_t sessions, struct memfd_wish *wish) {
    int *luo = calloc(sessions, sizeof *luo), *files = calloc(sessions, sizeof *files);
    if (!luo || !files) die("calloc");
    uint64_t first_seed = wish->seed, begin = now_us();
    for (uint64_t which = 0; which < sessions; which++) luo[which] = session_of(LUO_CREATE_SESSION, prefix, which + 1);
    printf("create-us=%" PRIu64 "\n", now_us() - begin);
    for (uint64_t which = 0; which < sessions; which++) {
        wish->seed = first_seed + which;
        files[which] = memfd_as(wish);
    }
    begin = now_us();
    for (uint64_t which = 0; which < sessions; which++) {
        struct luo_fd_call call = {.size = sizeof call, .fd = files[which], .token = 1};
        if (ioctl(luo[which], LUO_PRESERVE_FD, &call)) die("preserve in session %" PRIu64, which + 1);
    }
    printf("preserve-us=%" PRIu64 "\n", now_us() - begin);
    stay_behind();
    pause();
}

static void retrieve_many(const char *prefix, uint64_t sessions) {
    uint64_t begin = now_us();
    for (uint64_t which = 1; which <= sessions; which++) {
        int luo = session_of(LUO_RETRIEVE_SESSION, prefix, which);
        struct luo_fd_call call = {.size = sizeof call, .token = 1};
        struct luo_finish_call finish = {.size = sizeof finish};
        if (ioctl(luo, LUO_RETRIEVE_FD, &call)) die("retrieve from session %" PRIu64, which);
        if (ioctl(luo, LUO_FINISH, &finish)) die("finish session %" PRIu64, which);
        close(call.fd);
        close(luo);
    }
    printf("retrieve-us=%" PRIu64 "\n", now_us() - begin);
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
    } else if (argc == 6 && !strcmp(argv[1], "create-many")) {
        wish.size = number(argv[4]);
        wish.seed = number(argv[5]);
        create_many(argv[2], number(argv[3]), &wish);
    } else if (argc == 4 && !strcmp(argv[1], "retrieve-many")) {
        retrieve_many(argv[2], number(argv[3]));
    } else if (argc == 3 && !strcmp(argv[1], "incoming")) {
        luo_session(LUO_RETRIEVE_SESSION, argv[2]);
    } else {
        errno = 0;
        die("usage: luo-bare create SESSION FILES SIZE SEED [--position N] [--seals LIST] [--hugetlb]\n"
            "       luo-bare retrieve SESSION FILES [--finish]\n"
            "       luo-bare create-many PREFIX SESSIONS SIZE SEED\n"
            "       luo-bare retrieve-many PREFIX SESSIONS\n"
            "       luo-bare incoming SESSION");
    }
    return 0;
}
