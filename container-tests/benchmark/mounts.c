/*
 * Has kexecfsd mount sessions (kexecfs/doc/daemon-protocol.md), and tells how long it took.
 *
 * usage: mounts SOCKET BASE FIRST LAST CLIENTS OPTIONS
 *
 * Sessions benchmark-FIRST to benchmark-LAST, on BASE/FIRST to BASE/LAST, by so many clients at once, each of which asks for
 * one after the other.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "measure.h"

struct shared {
	atomic_int next;
	double took[];
};

/* A session's name, where it is mounted, what relative paths begin at, and its options. */
static void mount_one(const char *socket_path, const char *base, int number, const char *options)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char request[8192], answer[512] = "";
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), size, got = 0, n;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		err(1, "%s", socket_path);
	size = snprintf(request, sizeof(request), "1%cmount%cbenchmark-%d%c%s/%d%c/%c%s", 0, 0, number, 0, base, number, 0, 0,
			options) + 1;
	if (write(fd, request, size) != size || shutdown(fd, SHUT_WR) != 0)
		err(1, "%s", socket_path);
	while ((n = read(fd, answer + got, sizeof(answer) - 1 - got)) > 0)
		got += n;
	close(fd);
	if (strncmp(answer, "1 ok", 4) != 0)
		errx(1, "benchmark-%d: %s", number, got > 0 ? answer : "no answer");
}

int main(int argc, char **argv)
{
	int first, last, clients, count, status, failed = 0;
	struct shared *shared;
	double start;

	if (argc != 7)
		errx(2, "usage: mounts SOCKET BASE FIRST LAST CLIENTS OPTIONS");
	first = atoi(argv[3]);
	last = atoi(argv[4]);
	clients = atoi(argv[5]);
	count = last - first + 1;
	if (count < 1 || clients < 1)
		errx(2, "nothing to mount, or nobody to ask");
	shared = mmap(NULL, sizeof(*shared) + count * sizeof(double), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		err(1, "mmap");
	for (int i = 0; i < count; i++) {
		char directory[4096];

		snprintf(directory, sizeof(directory), "%s/%d", argv[2], first + i);
		if (mkdir(directory, 0755) != 0 && errno != EEXIST)
			err(1, "%s", directory);
	}
	start = now();
	for (int c = 0; c < clients; c++) {
		pid_t child = fork();

		if (child < 0)
			err(1, "fork");
		if (child == 0) {
			for (int i; (i = atomic_fetch_add(&shared->next, 1)) < count;) {
				double begun = now();

				mount_one(argv[1], argv[2], first + i, argv[6]);
				shared->took[i] = (now() - begun) / 1e3;
			}
			exit(0);
		}
	}
	while (wait(&status) > 0)
		failed |= status;
	start = (now() - start) / 1e3;
	if (failed)
		return 1;
	printf("%d mounts by %d clients: %.0f ms; a request p50 %.1f ms, p99 %.1f ms\n", count, clients, start,
	       median(shared->took, count), quantile(shared->took, count, 0.99));
	return 0;
}
