/*
 * flip SELF COPY: opens a memfd that holds "own" as descriptor 9, and executes COPY, this program set-uid root. That opens
 * one that holds "secret" as descriptor 9, gives its rights up, and executes SELF again; and so on, until it is killed.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int hold(const char *text)
{
	int fd = memfd_create(text, MFD_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0 || dup3(fd, 9, O_CLOEXEC) < 0)
		return -1;
	/* Long enough to be found so; a link takes several looks. */
	return usleep(!strcmp(text, "own") ? 3000 : 300);
}

int main(int argc, char **argv)
{
	int set_uid = getuid() != geteuid();

	if (argc != 3 || hold(set_uid ? "secret" : "own"))
		return 1;
	if (set_uid && setresuid(getuid(), getuid(), getuid()))
		return 1;
	execl(set_uid ? argv[1] : argv[2], "flip", argv[1], argv[2], NULL);
	perror("flip");
	return 1;
}
