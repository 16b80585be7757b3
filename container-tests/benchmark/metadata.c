/*
 * Times calls that ask for metadata, in several directories in turn, and prints for each the median, and the ratio to the
 * last of them.
 *
 * usage: metadata ROUNDS DIR... PEER-DIR
 *
 * Each directory has a file "bench". A round makes CALLS of each kind in one directory, then in the next: so short that a
 * machine that slows down slows all. The ratio is the median of the rounds' ratios of their medians.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "measure.h"

#define CALLS 100
#define MAX_DIRS 8
#define MAX_ROUNDS 2000

enum { STAT, FSTAT, OPEN, OPERATIONS };

static const char *const names[OPERATIONS] = { "stat", "fstat", "open and close" };

static int opened(const char *path)
{
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		err(1, "%s", path);
	return fd;
}

static void call(int operation, const char *path, int fd)
{
	struct stat st;

	switch (operation) {
	case STAT:
		if (stat(path, &st) != 0)
			err(1, "stat %s", path);
		break;
	case FSTAT:
		if (fstat(fd, &st) != 0)
			err(1, "fstat %s", path);
		break;
	default:
		close(opened(path));
	}
}

int main(int argc, char **argv)
{
	static double of[OPERATIONS][MAX_DIRS][MAX_ROUNDS], ratio[MAX_ROUNDS];
	int rounds = argc > 2 ? atoi(argv[1]) : 0, dirs = argc - 2;

	if (rounds < 1 || rounds > MAX_ROUNDS || dirs > MAX_DIRS)
		errx(2, "usage: metadata ROUNDS DIR... PEER-DIR (up to %d rounds, %d directories)", MAX_ROUNDS, MAX_DIRS);
	for (int r = 0; r < rounds; r++)
		for (int d = 0; d < dirs; d++) {
			char path[4096];
			int fd;

			snprintf(path, sizeof(path), "%s/bench", argv[d + 2]);
			fd = opened(path);
			for (int o = 0; o < OPERATIONS; o++) {
				double took[CALLS];

				for (int c = 0; c < CALLS; c++) {
					double start = now();

					call(o, path, fd);
					took[c] = now() - start;
				}
				of[o][d][r] = median(took, CALLS);
			}
			close(fd);
		}
	for (int o = 0; o < OPERATIONS; o++)
		/* The peer comes last: median() leaves what it is given in another order. */
		for (int d = 0; d < dirs; d++) {
			for (int r = 0; r < rounds; r++)
				ratio[r] = of[o][d][r] / of[o][dirs - 1][r];
			printf("%-16s %-10s %7.1f us, ratio %5.2f\n", names[o], argv[d + 2], median(of[o][d], rounds),
			       median(ratio, rounds));
		}
	return 0;
}
