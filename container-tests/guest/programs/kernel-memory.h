/*
 * The running kernel's own memory, by its physical addresses: what /proc/kallsyms names, where /proc/iomem says that the
 * kernel lies, through /dev/mem. The guest's kernel has all three open (kernel.config).
 */
#ifndef KEXECFS_KERNEL_MEMORY_H
#define KEXECFS_KERNEL_MEMORY_H

#include "guest.h"

/* /dev/mem, of whoever opens it; and the kernel's map of all memory begins at one of two addresses, by the depth of the page
   tables. */
static int memory;

#define MAP_OF_FOUR_LEVELS UINT64_C(0xFFFF888000000000)
#define MAP_OF_FIVE_LEVELS UINT64_C(0xFF11000000000000)

__attribute__((unused)) static void read_memory(uint64_t address, void *to, size_t length) {
    ssize_t got = pread(memory, to, length, (off_t)address);
    if (got < 0) die("/dev/mem at %#" PRIx64, address);
    errno = 0;
    if ((size_t)got != length) die("/dev/mem at %#" PRIx64 ": %zd bytes", address, got);
}

/* Where a symbol is, by the kernel's own addresses; *next is where the one after it is, if that is asked for. */
__attribute__((unused)) static uint64_t symbol(const char *wanted, uint64_t *next) {
    FILE *file = fopen("/proc/kallsyms", "re");
    if (!file) die("/proc/kallsyms");
    char line[512], name[256];
    uint64_t address, found = 0;
    /* They are in the order of their addresses. */
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "%" SCNx64 " %*c %255s", &address, name) != 2) continue;
        if (!found && !strcmp(name, wanted)) found = address;
        if (found && (!next || address > found)) break;
    }
    fclose(file);
    errno = 0;
    if (!found) die("/proc/kallsyms has no %s: the kernel needs CONFIG_KALLSYMS_ALL", wanted);
    if (next) *next = address;
    return found;
}

/* Where the image lies, physically. */
__attribute__((unused)) static uint64_t kernel_code(void) {
    FILE *file = fopen("/proc/iomem", "re");
    if (!file) die("/proc/iomem");
    char line[256];
    while (fgets(line, sizeof line, file)) {
        if (strstr(line, "Kernel code")) {
            fclose(file);
            return strtoull(line, NULL, 16);
        }
    }
    errno = 0;
    die("/proc/iomem has no 'Kernel code'");
}

/* Of a symbol of the image. */
__attribute__((unused)) static uint64_t physical_of_symbol(uint64_t symbol_address) {
    return kernel_code() + symbol_address - symbol("_text", NULL);
}

/* What a variable of the image points to. */
__attribute__((unused)) static uint64_t pointer_at(const char *variable) {
    uint64_t pointer;
    read_memory(physical_of_symbol(symbol(variable, NULL)), &pointer, sizeof pointer);
    return pointer;
}

__attribute__((unused)) static uint64_t map_of(uint64_t pointer) {
    return pointer >= MAP_OF_FOUR_LEVELS ? MAP_OF_FOUR_LEVELS : MAP_OF_FIVE_LEVELS;
}

#endif
