/*
 * in-thread MOUNT FD: a thread that is not the first links descriptor FD into MOUNT, as "by-self" and as "by-number", prints
 * its own id, and waits to be killed.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static char **arguments;

static void link_as(const char *process, const char *name)
{
	char source[4096], target[4096];

	snprintf(source, sizeof(source), "%s/kexecfs.fd/%s/%s", arguments[1], process, arguments[2]);
	snprintf(target, sizeof(target), "%s/%s", arguments[1], name);
	if (link(source, target)) {
		perror(source);
		exit(1);
	}
}

static void *run(void *unused)
{
	char number[32];

	link_as("self", "by-self");
	snprintf(number, sizeof(number), "%d", (int)getpid());
	link_as(number, "by-number");
	printf("%d\n", (int)syscall(SYS_gettid));
	fflush(stdout);
	pause();
	return unused;
}

int main(int argc, char **argv)
{
	pthread_t thread;

	arguments = argv;
	if (argc != 3 || pthread_create(&thread, NULL, run, NULL))
		return 2;
	return pthread_join(thread, NULL);
}
