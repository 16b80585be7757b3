/*
 * The number of pages that the kernel would hand to the next one if it did a kexec now:
 *
 *   kho-pages
 *
 * KHO records what it preserves in a radix tree whose leaves are bitmaps: a set bit is a page of some
 * order, preserved by kho_preserve_folio() or kho_preserve_pages() and not taken back since. It is changed
 * at once by PRESERVE_FD and by the closing of a session, so a count before and a count after tell
 * exactly whether something was left behind. debugfs is no help: kho/out/fdt, which names the root of the
 * tree, is not there in a kernel that was itself started by KHO, and in another one it is cut off
 * at the length that it had before LUO added its node (seen in 7.3.4). Therefore the tree is found as the
 * kernel finds it, and read from /dev/mem:
 *
 *   /proc/kallsyms: kho_out     whose first member points to the outgoing device tree
 *   /proc/iomem: Kernel code    where the image, and so kho_out, lies in memory
 *   preserved-memory-map        a property of that device tree: the root of the radix tree
 *
 * The layout of tree and keys is the ABI "kho-v4"; the program refuses any other.
 * Nodes of the tree itself stay allocated after the last page is taken back; they are not counted,
 * and are not handed over.
 */
#include "kernel-memory.h"

#define ABI "kho-v4"
#define PAGE 4096
#define LEVELS 6         /* five of tables and one of bitmaps */
#define TABLE_BITS 9     /* a table is a page of u64 */
#define BITMAP_BITS 15   /* a bitmap is a page of bits */
#define NODE_LIMIT 65536 /* a tree of garbage must not run for ever */

static uint64_t pages;
static unsigned nodes;

static uint32_t big_endian(const unsigned char *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* A property of the root node of a flattened device tree. */
static const unsigned char *property(const unsigned char *tree, const char *wanted, uint32_t *length) {
    errno = 0;
    if (big_endian(tree) != 0xD00DFEED) die("no device tree where kho_out points");
    uint32_t size = big_endian(tree + 4), at = big_endian(tree + 8), strings = big_endian(tree + 12);
    int depth = 0;
    if (size > PAGE) die("device tree of %u bytes", size);
    while (at + 12 <= size) {
        uint32_t tag = big_endian(tree + at);
        at += 4;
        if (tag == 1) { /* a node begins: its name */
            depth++;
            at += (uint32_t)(strnlen((const char *)tree + at, size - at) + 4) & ~3U;
        } else if (tag == 2) {
            depth--;
        } else if (tag == 3) {
            uint32_t name = strings + big_endian(tree + at + 4);
            *length = big_endian(tree + at);
            if (name < size && depth == 1 && !strncmp((const char *)tree + name, wanted, size - name)) {
                return tree + at + 8;
            }
            at += 8 + ((*length + 3) & ~3U);
        } else if (tag != 4) {
            break;
        }
    }
    die("the device tree of KHO has no %s", wanted);
}

static void count(uint64_t address, int level, uint64_t key) {
    uint64_t words[PAGE / 8];
    errno = 0;
    if (++nodes > NODE_LIMIT) die("the tree has more than %d nodes", NODE_LIMIT);
    read_memory(address, words, sizeof words);
    if (level > 0) {
        for (uint64_t at = 0; at < PAGE / 8; at++) {
            if (words[at]) count(words[at], level - 1, key | at << ((level - 1) * TABLE_BITS + BITMAP_BITS));
        }
        return;
    }
    for (uint64_t at = 0; at < PAGE / 8; at++) {
        for (uint64_t left = words[at]; left; left &= left - 1) {
            uint64_t whole = key | (at * 64 + (uint64_t)__builtin_ctzll(left));
            /* The highest bit of a key tells the order: bit 52 is order 0, bit 51 order 1, ... */
            pages += UINT64_C(1) << (52 - (63 - __builtin_clzll(whole)));
        }
    }
}

/* Where the kernel's variable says that its outgoing device tree is. */
static void read_outgoing(unsigned char *tree) {
    uint64_t pointer = pointer_at("kho_out");
    read_memory(pointer - map_of(pointer), tree, PAGE);
}

int main(void) {
    memory = open("/dev/mem", O_RDONLY | O_CLOEXEC);
    if (memory < 0) die("/dev/mem");

    unsigned char tree[PAGE];
    read_outgoing(tree);

    uint32_t length;
    const unsigned char *abi = property(tree, "compatible", &length);
    errno = 0;
    if (length != sizeof ABI || memcmp(abi, ABI, length)) die("the kernel's KHO is %.*s, not " ABI, (int)length, abi);
    const unsigned char *map = property(tree, "preserved-memory-map", &length);
    uint64_t root;
    errno = 0;
    if (length != sizeof root) die("preserved-memory-map of %u bytes", length);
    memcpy(&root, map, sizeof root); /* the one value in it that is not big-endian */

    count(root, LEVELS - 1, 0);
    printf("%" PRIu64 "\n", pages);
    return 0;
}
