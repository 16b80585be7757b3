/*
 * with-memfd TEXT ACCESS COMMAND [ARG...]: runs COMMAND with a memfd that holds TEXT as its descriptors 0 and 3, open for
 * ACCESS: r, w or rw.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char path[64];
	int access, fd, memfd;

	if (argc < 4)
		return 2;
	memfd = memfd_create("with-memfd", 0);
	if (memfd < 0 || write(memfd, argv[1], strlen(argv[1])) < 0)
		return 2;
	access = !strcmp(argv[2], "r") ? O_RDONLY : !strcmp(argv[2], "w") ? O_WRONLY : O_RDWR;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", memfd);
	fd = open(path, access);
	if (fd < 0 || dup2(fd, 9) < 0 || dup2(9, 0) < 0 || dup2(9, 3) < 0)
		return 2;
	close(9);
	execvp(argv[3], argv + 3);
	perror(argv[3]);
	return 2;
}
