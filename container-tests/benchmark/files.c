/*
 * Times what a program does with files, in two directories in turn, and prints one beside the other.
 *
 * usage: files DIR PEER-DIR MIB ROUNDS
 *
 * Each round measures all operations in DIR, then in PEER-DIR, so that a machine that slows down slows both; of each
 * the median is told.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "measure.h"

#define BLOCK (1024 * 1024)
#define SMALL_CALLS 20000
#define NAMES 500
#define MAX_ROUNDS 101

enum { WRITE, READ, PREAD, MAPPED, STAT, OPEN, CREATE, OPERATIONS };

static const char *const names[OPERATIONS] = {
	"sequential write, 1 MiB blocks", "sequential read, 1 MiB blocks", "pread of 1 byte", "sum of a shared mapping",
	"stat", "open and close", "create and unlink",
};
static const char *const units[OPERATIONS] = { "GB/s", "GB/s", "us", "GB/s", "us", "us", "us" };

static int opened(const char *path, int flags)
{
	int fd = open(path, flags, 0600);

	if (fd < 0)
		err(1, "%s", path);
	return fd;
}

static void measure(const char *dir, size_t mib, double *result)
{
	static char block[BLOCK];
	volatile unsigned long sum = 0;
	char path[4096], name[4200];
	struct stat st;
	double start;
	int fd, i;

	snprintf(path, sizeof(path), "%s/bench", dir);
	memset(block, 7, sizeof(block));
	fd = opened(path, O_RDWR | O_CREAT | O_TRUNC);
	/* Twice: the first pass allocates the memory, which is the same for all. */
	for (i = 0; i < 2; i++) {
		start = now();
		for (size_t m = 0; m < mib; m++)
			if (pwrite(fd, block, BLOCK, (off_t)m * BLOCK) != BLOCK)
				err(1, "write %s", path);
		result[WRITE] = mib * (double)BLOCK / (now() - start) / 1e3;
	}
	start = now();
	for (size_t m = 0; m < mib; m++)
		if (pread(fd, block, BLOCK, (off_t)m * BLOCK) != BLOCK)
			err(1, "read %s", path);
	result[READ] = mib * (double)BLOCK / (now() - start) / 1e3;

	start = now();
	for (i = 0; i < SMALL_CALLS; i++)
		if (pread(fd, block, 1, i) != 1)
			err(1, "pread %s", path);
	result[PREAD] = (now() - start) / SMALL_CALLS;

	unsigned long *map = mmap(NULL, mib * BLOCK, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		err(1, "mmap %s", path);
	start = now();
	for (size_t w = 0; w < mib * BLOCK / sizeof(*map); w++)
		sum += map[w];
	result[MAPPED] = mib * (double)BLOCK / (now() - start) / 1e3;
	munmap(map, mib * BLOCK);
	close(fd);

	start = now();
	for (i = 0; i < SMALL_CALLS / 10; i++)
		if (stat(path, &st) != 0)
			err(1, "stat %s", path);
	result[STAT] = (now() - start) / (SMALL_CALLS / 10);
	start = now();
	for (i = 0; i < SMALL_CALLS / 10; i++)
		close(opened(path, O_RDONLY));
	result[OPEN] = (now() - start) / (SMALL_CALLS / 10);

	start = now();
	for (i = 0; i < NAMES; i++) {
		snprintf(name, sizeof(name), "%s/bench-%d", dir, i);
		close(opened(name, O_RDWR | O_CREAT | O_EXCL));
	}
	for (i = 0; i < NAMES; i++) {
		snprintf(name, sizeof(name), "%s/bench-%d", dir, i);
		if (unlink(name) != 0)
			err(1, "unlink %s", name);
	}
	result[CREATE] = (now() - start) / NAMES;
	if (unlink(path) != 0)
		err(1, "unlink %s", path);
}

int main(int argc, char **argv)
{
	static double here[OPERATIONS][MAX_ROUNDS], there[OPERATIONS][MAX_ROUNDS], ratio[OPERATIONS][MAX_ROUNDS];
	int rounds = argc == 5 ? atoi(argv[4]) : 0;

	if (rounds < 1 || rounds > MAX_ROUNDS)
		errx(2, "usage: files DIR PEER-DIR MIB ROUNDS (1 to %d)", MAX_ROUNDS);
	for (int r = 0; r < rounds; r++) {
		double a[OPERATIONS], b[OPERATIONS];

		measure(argv[1], strtoul(argv[3], NULL, 10), a);
		measure(argv[2], strtoul(argv[3], NULL, 10), b);
		for (int o = 0; o < OPERATIONS; o++) {
			here[o][r] = a[o];
			there[o][r] = b[o];
			ratio[o][r] = a[o] / b[o];
		}
	}
	printf("%-32s %12s %12s %8s\n", "operation", "session", "peer", "ratio");
	for (int o = 0; o < OPERATIONS; o++)
		printf("%-32s %7.2f %-4s %7.2f %-4s %8.2f\n", names[o], median(here[o], rounds), units[o],
		       median(there[o], rounds), units[o], median(ratio[o], rounds));
	return 0;
}
