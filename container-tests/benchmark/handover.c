/*
 * Times how a descriptor goes into a session and comes out of it, beside the same exchange over a bare socket between two C
 * processes, in turns in the same run.
 *
 * usage: handover SESSION-DIR ROUNDS
 *
 * Each round makes a memfd and hands it over in each way, and gets one back in each way. Of each way the median, the 99th
 * percentile, and the median of the ratios to the bare exchange of the same round are printed.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <kexecfs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "measure.h"

#define MAX_ROUNDS 10000

enum { BARE_IN, BARE_OUT, LINK_SELF, LINK_OTHER, PRESERVE, IOCTL, SOCKET_IN, SOCKET_OUT, OPEN_OUT, WAYS };

static const char *const names[WAYS] = {
	[BARE_IN] = "in: bare SCM_RIGHTS, in C",
	[BARE_OUT] = "out: bare SCM_RIGHTS, in C",
	[LINK_SELF] = "in: link(2) from kexecfs.fd/self",
	[LINK_OTHER] = "in: link(2) from kexecfs.fd/PID",
	[PRESERVE] = "in: write to kexecfs.preserve",
	[IOCTL] = "in: ioctl PRESERVE",
	[SOCKET_IN] = "in: kexecfs.sock",
	[SOCKET_OUT] = "out: kexecfs.sock",
	[OPEN_OUT] = "out: open(2)",
};

static double took[WAYS][MAX_ROUNDS];

/* One message, with a descriptor unless it is -1. */
static void tell(int connection, const char *text, int fd)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec bytes = { .iov_base = (void *)text, .iov_len = strlen(text) };
	struct msghdr message = { .msg_iov = &bytes, .msg_iovlen = 1 };

	if (fd >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	if (sendmsg(connection, &message, MSG_NOSIGNAL) < 0)
		err(1, "sendmsg");
}

/* The next message, whose descriptor is returned: -1 if there is none, -2 at the end. */
static int hear(int connection, char *text, size_t size)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec bytes = { .iov_base = text, .iov_len = size - 1 };
	struct msghdr message = { .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(connection, &message, MSG_CMSG_CLOEXEC);
	int fd = -1;

	if (n <= 0)
		return -2;
	text[n] = 0;
	if (CMSG_FIRSTHDR(&message))
		memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
	return fd;
}

/* The other side of the bare exchange: keeps what it is given last, and gives it back when it is asked. */
static void keep(int connection)
{
	int kept = -1, fd;
	char text[512];

	while ((fd = hear(connection, text, sizeof(text))) != -2) {
		if (fd >= 0) {
			if (kept >= 0)
				close(kept);
			kept = fd;
			tell(connection, "1 ok", -1);
		} else {
			tell(connection, "1 ok", kept);
		}
	}
	exit(0);
}

static int ask(int connection, const char *text, int fd)
{
	char answer[512];
	int got;

	tell(connection, text, fd);
	got = hear(connection, answer, sizeof(answer));
	if (got == -2 || strcmp(answer, "1 ok") != 0)
		errx(1, "%s: %s", text, got == -2 ? "no answer" : answer);
	return got;
}

static int memory(void)
{
	int fd = memfd_create("handover", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, 4096) != 0)
		err(1, "memfd");
	return fd;
}

static void gone(const char *name)
{
	if (unlink(name) != 0)
		err(1, "unlink %s", name);
}

static void linked(const char *from, const char *to)
{
	if (link(from, to) != 0)
		err(1, "link %s", from);
}

#define TIMED(way, call)                                                                                                        \
	do {                                                                                                                    \
		double start = now();                                                                                           \
		call;                                                                                                           \
		took[way][round] = now() - start;                                                                               \
	} while (0)

static void one_round(int round, int bare, int sock, int root, int preserve, const char *other)
{
	struct kexecfs_ioc_preserve argument = { .size = sizeof(argument), .name = "d" };
	char source[64], words[64];
	int fd = memory(), got;

	TIMED(BARE_IN, ask(bare, "in", fd));
	TIMED(BARE_OUT, got = ask(bare, "out", -1));
	close(got);

	snprintf(source, sizeof(source), "kexecfs.fd/self/%d", fd);
	TIMED(LINK_SELF, linked(source, "a"));
	close(fd);
	/* Another process's: it has one that lasts, and which is not here any more. */
	TIMED(LINK_OTHER, linked(other, "b"));
	fd = memory();
	snprintf(words, sizeof(words), "%d c", fd);
	TIMED(PRESERVE, if (write(preserve, words, strlen(words)) < 0) err(1, "kexecfs.preserve"));
	close(fd);
	argument.fd = fd = memory();
	TIMED(IOCTL, if (ioctl(root, KEXECFS_IOC_PRESERVE, &argument) != 0) err(1, "KEXECFS_IOC_PRESERVE"));
	close(fd);
	fd = memory();
	TIMED(SOCKET_IN, ask(sock, "1 preserve e", fd));
	close(fd);

	TIMED(SOCKET_OUT, got = ask(sock, "1 open rw e", -1));
	close(got);
	TIMED(OPEN_OUT, got = open("e", O_RDWR | O_CLOEXEC));
	if (got < 0)
		err(1, "open");
	close(got);
	gone("a");
	gone("b");
	gone("c");
	gone("d");
	gone("e");
}

/* A process that has a memfd: its path as a link source. */
static pid_t start_other(char *path, size_t size)
{
	int fd = memory();
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	if (pid == 0) {
		pause();
		exit(0);
	}
	snprintf(path, size, "kexecfs.fd/%d/%d", pid, fd);
	close(fd);
	return pid;
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "kexecfs.sock" };
	int rounds = argc == 3 ? atoi(argv[2]) : 0, bare[2], sock, root, preserve;
	static double ratio[WAYS][MAX_ROUNDS];
	char other[64];
	pid_t pid;

	if (rounds < 1 || rounds > MAX_ROUNDS)
		errx(2, "usage: handover SESSION-DIR ROUNDS (1 to %d)", MAX_ROUNDS);
	if (chdir(argv[1]) != 0)
		err(1, "%s", argv[1]);
	pid = start_other(other, sizeof(other));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, bare) != 0)
		err(1, "socketpair");
	if (fork() == 0) {
		close(bare[0]);
		keep(bare[1]);
	}
	close(bare[1]);
	sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (sock < 0 || connect(sock, (struct sockaddr *)&address, sizeof(address)) != 0)
		err(1, "kexecfs.sock");
	root = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	preserve = open("kexecfs.preserve", O_WRONLY | O_CLOEXEC);
	if (root < 0 || preserve < 0)
		err(1, "%s", argv[1]);
	/* What runs first is compiled first. */
	for (int round = 0; round < (rounds < 300 ? rounds : 300); round++)
		one_round(round, bare[0], sock, root, preserve, other);
	for (int round = 0; round < rounds; round++)
		one_round(round, bare[0], sock, root, preserve, other);
	kill(pid, SIGKILL);

	for (int way = 0; way < WAYS; way++) {
		int base = way == BARE_OUT || way == SOCKET_OUT || way == OPEN_OUT ? BARE_OUT : BARE_IN;

		for (int r = 0; r < rounds; r++)
			ratio[way][r] = took[way][r] / took[base][r];
	}
	/* Not before: to tell a median is to put the values in order. */
	for (int way = 0; way < WAYS; way++)
		printf("%-34s p50 %7.1f us, p99 %7.1f us, ratio %6.1f\n", names[way], median(took[way], rounds),
		       quantile(took[way], rounds, 0.99), median(ratio[way], rounds));
	return 0;
}
