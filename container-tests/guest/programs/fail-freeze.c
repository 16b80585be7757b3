/*
 * Runs a command under which the freeze of a preserved memfd fails with EIO:
 *
 *   fail-freeze N COMMAND...     the Nth of those that a kexec asks for, and each after it; then says how many it asked for
 *
 * In Linux 7.3 nothing makes memfd_luo_freeze() fail. So for as long as the command runs the beginning of that function is
 * other code, written over it through a mapping of /dev/mem (the kernel's own mappings of its code are read-only):
 *
 *       movabs $left, %rax
 *       lock decl (%rax)
 *       jle    fails
 *       xor    %eax, %eax
 *       ret
 *   fails:
 *       mov    $-EIO, %eax
 *       ret
 *
 * "left" is a word of this process, by the address that it has in the kernel's map of all memory. Those that are not to fail
 * do nothing, and need not: no kexec comes of it.
 */
#include "kernel-memory.h"

#include <sys/wait.h>

#define PAGE ((uint64_t)4096)
#define SYMBOL "memfd_luo_freeze"
#define ENDBR "\xF3\x0F\x1E\xFA" /* of a kernel with CONFIG_X86_KERNEL_IBT, where indirect calls end at one */
#define CODE_LENGTH 24

/* The kernel's address of what this process has at one that is locked and was written to. */
static uint64_t kernel_address(const volatile void *own) {
    int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    uint64_t entry, at = (uint64_t)(uintptr_t)own;
    if (pagemap < 0 || pread(pagemap, &entry, sizeof entry, (off_t)(at / PAGE * sizeof entry)) != sizeof entry) {
        die("/proc/self/pagemap");
    }
    close(pagemap);
    uint64_t frame = entry & ((UINT64_C(1) << 55) - 1);
    errno = 0;
    if (!(entry >> 63) || !frame) die("/proc/self/pagemap does not tell of a page");
    return map_of(pointer_at("kho_out")) + frame * PAGE + at % PAGE;
}

/* The function's code, as memory that can be written to. */
static unsigned char *code_of_freeze(void) {
    uint64_t next, function = symbol(SYMBOL, &next), address = physical_of_symbol(function);
    errno = 0;
    if (next - function < CODE_LENGTH + strlen(ENDBR)) die(SYMBOL " has %" PRIu64 " bytes only", next - function);
    unsigned char *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, memory, (off_t)(address / PAGE * PAGE));
    if (pages == MAP_FAILED) die("map /dev/mem at %#" PRIx64, address);
    unsigned char *code = pages + address % PAGE;
    return memcmp(code, ENDBR, strlen(ENDBR)) ? code : code + strlen(ENDBR);
}

static int run(char **command) {
    pid_t pid = fork();
    if (pid < 0) die("fork");
    if (!pid) {
        execvp(*command, command);
        die("%s", *command);
    }
    int status;
    if (waitpid(pid, &status, 0) < 0) die("wait");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv) {
    errno = 0;
    if (argc < 3) die("usage: fail-freeze N COMMAND...");
    memory = open("/dev/mem", O_RDWR | O_CLOEXEC);
    if (memory < 0) die("/dev/mem");

    /* Shared: a fork leaves it where it is. */
    volatile int32_t *left = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_LOCKED, -1, 0);
    if (left == MAP_FAILED) die("mmap");
    int32_t fails = (int32_t)number(argv[1]);
    *left = fails;
    uint64_t address = kernel_address(left);

    unsigned char code[CODE_LENGTH] = {0x48, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0xF0, 0xFF, 0x08, 0x7E, 0x03, 0x31, 0xC0, 0xC3,
                                       0xB8, (unsigned char)-EIO, 0xFF, 0xFF, 0xFF, 0xC3};
    memcpy(code + 2, &address, sizeof address);

    unsigned char *freeze = code_of_freeze(), saved[CODE_LENGTH];
    memcpy(saved, freeze, sizeof saved);
    memcpy(freeze, code, sizeof code);
    int status = run(argv + 2);
    memcpy(freeze, saved, sizeof saved);
    printf("%d were asked to freeze\n", fails - *left);
    return status;
}
