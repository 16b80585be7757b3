/*
 * Kills a process, with SIGKILL, at a certain step: as it enters its Nth system call from now on of those by which kexecfsd
 * changes what outlives it: LUO's ioctls, messages to the keeper, records in the manifest, mounts. Between two of them one
 * moment is as another. All threads count together.
 *
 *   kill-at PID N              until it was killed, and says at which call; or until SIGTERM, and says how many steps there were
 *   kill-at PID N STOP         the same with SIGSTOP
 *   kill-at PID N luo          steps are counted from LUO's next ioctl on, which is the first, and of that thread only: others
 *                              may write to the session meanwhile
 *   kill-at PID N held COUNT   for COUNT requests that are made one after the other: the thread that enters the first one's Nth
 *                              call is held there, and the counting begins anew; the second one is held at its call N+1, and so
 *                              on. With the last one the process is killed; or with one that is held at a message to the
 *                              keeper, for others would wait for it. There is a line for each
 *
 * It says "attached" on its standard error when it counts.
 */
#include "guest.h"

#include <dirent.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#ifndef SYS_move_mount
#define SYS_move_mount 429
#endif

static const struct {
    long number;
    const char *name;
} steps[] = {
    {SYS_ioctl, "ioctl"},
    {SYS_sendmsg, "sendmsg"},
    {SYS_pwrite64, "pwrite64"},
    {SYS_move_mount, "move_mount"},
    {SYS_umount2, "umount2"},
};

static volatile sig_atomic_t enough;

static void end(int signal) {
    (void)signal;
    enough = 1;
}

static int is_of_luo(const struct __ptrace_syscall_info *call) {
    return call->entry.nr == SYS_ioctl && _IOC_TYPE(call->entry.args[1]) == _IOC_TYPE(LUO_PRESERVE_FD);
}

/* NULL: it is none. FUSE has ioctls, too, which change nothing. */
static const char *step_named(const struct __ptrace_syscall_info *call) {
    if (call->entry.nr == SYS_ioctl && !is_of_luo(call)) return NULL;
    for (size_t at = 0; at < sizeof steps / sizeof *steps; at++) {
        if ((uint64_t)steps[at].number == call->entry.nr) return steps[at].name;
    }
    return NULL;
}

/* With "luo": the thread that made the first of LUO's ioctls; 0 until there was one. */
static int from_luo;
static pid_t of_luo;

static int is_counted(pid_t thread, const struct __ptrace_syscall_info *call) {
    if (from_luo && !of_luo && is_of_luo(call)) of_luo = thread;
    return !from_luo || thread == of_luo;
}

/* New threads come by themselves, from those that are seized. */
static void seize(pid_t pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    for (int fresh = 1; fresh;) {
        fresh = 0;
        DIR *directory = opendir(path);
        if (!directory) die("process %d", (int)pid);
        for (struct dirent *entry; (entry = readdir(directory));) {
            pid_t thread = atoi(entry->d_name);
            if (thread <= 0) continue;
            long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE;
            if (!ptrace(PTRACE_SEIZE, thread, NULL, options)) {
                fresh = 1;
                /* Only from a stop on its calls are told. */
                ptrace(PTRACE_INTERRUPT, thread, NULL, NULL);
            }
        }
        closedir(directory);
    }
}

int main(int argc, char **argv) {
    errno = 0;
    from_luo = argc > 3 && !strcmp(argv[3], "luo");
    const char *how = argc > 3 ? argv[3] : "";
    int stop = !strcmp(how, "STOP"), held = !strcmp(how, "held");
    if (argc != (held ? 5 : stop || from_luo ? 4 : 3)) die("usage: kill-at PID N [STOP | luo | held COUNT]");
    pid_t pid = (pid_t)number(argv[1]);
    uint64_t last = number(argv[2]), together = held ? number(argv[4]) : 1, count = 0;
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = end}, NULL);
    seize(pid);
    fprintf(stderr, "attached\n");
    while (!enough) {
        int status;
        pid_t thread = waitpid(-1, &status, __WALL);
        if (thread < 0) {
            if (errno == EINTR) continue;
            break;
        }
        if (!WIFSTOPPED(status)) {
            if (thread == pid) break;
            continue;
        }
        long deliver = 0;
        if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
            struct __ptrace_syscall_info call;
            if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof call, &call) > 0 && call.op == PTRACE_SYSCALL_INFO_ENTRY &&
                step_named(&call) && is_counted(thread, &call) && ++count == last) {
                int is_end = --together == 0 || call.entry.nr == SYS_sendmsg;
                if (is_end) kill(pid, stop ? SIGSTOP : SIGKILL);
                printf("%s at step %" PRIu64 ", %s(%" PRIu64 ", 0x%" PRIx64 ")\n", !is_end ? "held" : stop ? "stopped" : "killed", count,
                       step_named(&call), (uint64_t)call.entry.args[0], (uint64_t)call.entry.args[1]);
                fflush(stdout);
                if (is_end) return 0;
                last++;
                count = 0;
                continue;
            }
        } else if (status >> 16 == 0) {
            deliver = WSTOPSIG(status);
        }
        ptrace(PTRACE_SYSCALL, thread, NULL, deliver);
    }
    printf("%" PRIu64 " steps\n", count);
    return 0;
}
