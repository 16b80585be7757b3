/* SPDX-License-Identifier: CC0-1.0 */
/*
 * kexecfs-sock: an example client of kexecfs.sock; doc/protocol.md describes what it speaks.
 *
 *   kexecfs-sock SOCKET preserve NAME                     preserves standard input, if it is memory, as NAME
 *   kexecfs-sock SOCKET open r|rw NAME COMMAND [ARG...]   runs COMMAND with the file as its descriptor 3
 *
 * Exit status: 0, or COMMAND's; 1 if kexecfs refuses; 2 if there is no talking to it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { LONGEST = 4096 + 64, FILE_OF_COMMAND = 3 };

static int failed(const char *what)
{
	fprintf(stderr, "kexecfs-sock: %s: %s\n", what, strerror(errno));
	exit(2);
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		failed(path);
	}
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		failed(path);
	return fd;
}

/* Sends one message, and a descriptor with it if there is one. */
static void ask(int connection, const char *text, int fd)
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
		failed("sendmsg");
}

/* Receives the answer; returns the descriptor that came with it, or -1. */
static int answer(int connection, char *text, size_t size)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec bytes = { .iov_base = text, .iov_len = size - 1 };
	struct msghdr message = {
		.msg_iov = &bytes,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *rights;
	ssize_t length = recvmsg(connection, &message, 0);
	int fd = -1;

	if (length <= 0) {
		errno = length == 0 ? ECONNRESET : errno;
		failed("recvmsg");
	}
	text[length] = 0;
	rights = CMSG_FIRSTHDR(&message);
	if (rights && rights->cmsg_level == SOL_SOCKET && rights->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(rights), sizeof(fd));
	return fd;
}

int main(int argc, char **argv)
{
	char text[LONGEST];
	int preserve = argc == 4 && !strcmp(argv[2], "preserve");
	int open = argc >= 6 && !strcmp(argv[2], "open");
	int connection, fd;

	if (!preserve && !open) {
		fprintf(stderr, "usage: kexecfs-sock SOCKET preserve NAME\n"
				"       kexecfs-sock SOCKET open r|rw NAME COMMAND [ARG...]\n");
		return 2;
	}
	connection = connect_to(argv[1]);
	if (preserve)
		snprintf(text, sizeof(text), "1 preserve %s", argv[3]);
	else
		snprintf(text, sizeof(text), "1 open %s %s", argv[3], argv[4]);
	ask(connection, text, preserve ? STDIN_FILENO : -1);
	fd = answer(connection, text, sizeof(text));
	if (strcmp(text, "1 ok")) {
		fprintf(stderr, "kexecfs-sock: %s\n", text);
		return 1;
	}
	if (preserve)
		return 0;
	if (fd < 0) {
		errno = EPROTO;
		failed("no descriptor");
	}
	if (fd == FILE_OF_COMMAND) {
		fd = dup(fd);
		if (fd < 0)
			failed("dup");
	}
	if (dup2(fd, FILE_OF_COMMAND) < 0)
		failed("dup2");
	close(fd);
	execvp(argv[5], argv + 5);
	failed(argv[5]);
}
