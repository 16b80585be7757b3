/*
 * do-ioctl NAME FILE: opens FILE (a directory or a kexecfs.* file, for reading if that is possible) and calls the ioctl;
 * prints what it got, or the errno in words. do-ioctl layout: prints numbers, sizes and offsets.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "kexecfs.h"

#define NUMBER(ioctl, type) printf("%s %u %zu\n", #ioctl, (unsigned)KEXECFS_IOC_##ioctl, sizeof(type))
#define NONE(ioctl) printf("%s %u 0\n", #ioctl, (unsigned)KEXECFS_IOC_##ioctl)
#define OFFSET(name, type, member) printf("%s %zu %zu\n", name, offsetof(type, member), sizeof(((type *)0)->member))

static int layout(void)
{
	NUMBER(PRESERVE, struct kexecfs_ioc_preserve);
	NONE(PREPARE);
	NONE(CANCEL);
	NUMBER(FINISH, struct kexecfs_ioc_finish);
	NUMBER(GET_STATE, struct kexecfs_ioc_get_state);
	NUMBER(GET_INFO, struct kexecfs_ioc_get_info);
	OFFSET("preserve.size", struct kexecfs_ioc_preserve, size);
	OFFSET("preserve.fd", struct kexecfs_ioc_preserve, fd);
	OFFSET("preserve.name", struct kexecfs_ioc_preserve, name);
	OFFSET("finish.size", struct kexecfs_ioc_finish, size);
	OFFSET("finish.flags", struct kexecfs_ioc_finish, flags);
	OFFSET("state.size", struct kexecfs_ioc_get_state, size);
	OFFSET("state.state", struct kexecfs_ioc_get_state, state);
	OFFSET("info.size", struct kexecfs_ioc_get_info, size);
	OFFSET("info.version", struct kexecfs_ioc_get_info, version);
	OFFSET("info.cycle", struct kexecfs_ioc_get_info, cycle);
	OFFSET("info.entries", struct kexecfs_ioc_get_info, entries);
	OFFSET("info.bytes", struct kexecfs_ioc_get_info, bytes);
	OFFSET("info.session", struct kexecfs_ioc_get_info, session);
	printf("strict %d 0\nrelease %d 0\n", KEXECFS_FINISH_STRICT, KEXECFS_FINISH_RELEASE);
	printf("version %d 0\n", KEXECFS_INTERFACE_VERSION);
	return 0;
}

int main(int argc, char **argv)
{
	struct kexecfs_ioc_preserve preserve = { .size = sizeof(preserve), .fd = 3, .name = "by-ioctl" };
	struct kexecfs_ioc_finish finish = { .size = sizeof(finish) };
	struct kexecfs_ioc_finish strict = { .size = sizeof(strict), .flags = KEXECFS_FINISH_STRICT };
	struct kexecfs_ioc_get_state state = { 0 };
	struct kexecfs_ioc_get_info info = { 0 };
	int fd, result = -1;

	if (argc == 2 && !strcmp(argv[1], "layout"))
		return layout();
	if (argc != 3)
		return 2;
	fd = open(argv[2], O_RDONLY);
	if (fd < 0)
		fd = open(argv[2], O_WRONLY);
	if (fd < 0) {
		printf("open: %s\n", strerror(errno));
		return 1;
	}
	if (!strcmp(argv[1], "preserve"))
		result = ioctl(fd, KEXECFS_IOC_PRESERVE, &preserve);
	else if (!strcmp(argv[1], "prepare"))
		result = ioctl(fd, KEXECFS_IOC_PREPARE);
	else if (!strcmp(argv[1], "cancel"))
		result = ioctl(fd, KEXECFS_IOC_CANCEL);
	else if (!strcmp(argv[1], "finish"))
		result = ioctl(fd, KEXECFS_IOC_FINISH, &finish);
	else if (!strcmp(argv[1], "strict"))
		result = ioctl(fd, KEXECFS_IOC_FINISH, &strict);
	else if (!strcmp(argv[1], "state"))
		result = ioctl(fd, KEXECFS_IOC_GET_STATE, &state);
	else if (!strcmp(argv[1], "info"))
		result = ioctl(fd, KEXECFS_IOC_GET_INFO, &info);
	if (result < 0) {
		printf("%s\n", strerror(errno));
		return 1;
	}
	if (state.size)
		printf("%u\n", state.state);
	if (info.size)
		printf("%u %llu %llu %llu %s\n", info.version, (unsigned long long)info.cycle,
		       (unsigned long long)info.entries, (unsigned long long)info.bytes, info.session);
	return 0;
}
