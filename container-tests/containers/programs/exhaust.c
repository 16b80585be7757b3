/*
 * exhaust files DIR | connections SOCKET | memfds DIR: opens files of DIR, connects to SOCKET, or links memfds into DIR, until
 * there are MANY or one is refused; says how many there are and why no more, then waits for the end of its standard input.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { MANY = 600 };

static const char *where;

static int one_file(int number)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/file%d", where, number);
	return open(path, O_CREAT | O_RDWR, 0600);
}

static int one_connection(int number)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	(void)number;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", where);
	return fd < 0 ? fd : connect(fd, (struct sockaddr *)&address, sizeof(address));
}

static int one_memfd(int number)
{
	char source[4096], name[4096];
	int fd = memfd_create("exhaust", 0);

	snprintf(source, sizeof(source), "%s/kexecfs.fd/self/%d", where, fd);
	snprintf(name, sizeof(name), "%s/memfd%d", where, number);
	return fd < 0 ? fd : link(source, name);
}

int main(int argc, char **argv)
{
	struct rlimit files;
	int (*one)(int);
	int number;

	if (argc != 3)
		return 2;
	one = !strcmp(argv[1], "files") ? one_file : !strcmp(argv[1], "memfds") ? one_memfd : one_connection;
	where = argv[2];
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	for (number = 0; number < MANY; number++)
		if (one(number) < 0)
			break;
	printf("%d, then: %s\n", number, number < MANY ? strerror(errno) : "enough");
	fflush(stdout);
	while (read(STDIN_FILENO, &files, sizeof(files)) > 0)
		;
	return 0;
}
