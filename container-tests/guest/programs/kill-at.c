/*
 * Kills a process, with SIGKILL, at a certain step: as it enters its Nth system call from now on of those by which kexecfsd
 * changes what outlives it: LUO's ioctls (and others), messages to the keeper, records in the manifest, mounts. Between two of
 * them one moment is as another. All threads count together.
 *
 *   kill-at PID N        until it was killed, and says at which call; or until SIGTERM, and says how many steps there were
 *   kill-at PID N STOP   the same with SIGSTOP
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

static const char *step_named(uint64_t number) {
    for (size_t at = 0; at < sizeof steps / sizeof *steps; at++) {
        if ((uint64_t)steps[at].number == number) return steps[at].name;
    }
    return NULL;
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
    int stop = argc == 4 && !strcmp(argv[3], "STOP");
    if (argc != 3 && !stop) die("usage: kill-at PID N [STOP]");
    pid_t pid = (pid_t)number(argv[1]);
    uint64_t last = number(argv[2]), count = 0;
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
                step_named(call.entry.nr) && ++count == last) {
                kill(pid, stop ? SIGSTOP : SIGKILL);
                printf("%s at step %" PRIu64 ", %s(%" PRIu64 ", 0x%" PRIx64 ")\n", stop ? "stopped" : "killed", count, step_named(call.entry.nr),
                       (uint64_t)call.entry.args[0], (uint64_t)call.entry.args[1]);
                return 0;
            }
        } else if (status >> 16 == 0) {
            deliver = WSTOPSIG(status);
        }
        ptrace(PTRACE_SYSCALL, thread, NULL, deliver);
    }
    printf("%" PRIu64 " steps\n", count);
    return 0;
}
