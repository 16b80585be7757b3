/*
 * await-state FILE STATE: says "waiting", returns once the kexecfs.state in FILE is STATE; by poll(2), never by asking
 * again and again. Exit status 1 if nothing happens for 20 seconds.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct pollfd state = { .events = POLLPRI };
	char is[32];
	ssize_t length;

	if (argc != 3)
		return 2;
	state.fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (state.fd < 0)
		return 2;
	for (;;) {
		length = pread(state.fd, is, sizeof(is) - 1, 0);
		if (length <= 0)
			return 2;
		is[length] = 0;
		is[strcspn(is, "\n")] = 0;
		if (!strcmp(is, argv[2]))
			return 0;
		puts("waiting");
		fflush(stdout);
		if (poll(&state, 1, 20000) != 1)
			return 1;
	}
}
