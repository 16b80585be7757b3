/*
 * The least that a FUSE server can be: one thread that reads a request from /dev/fuse and writes the answer, in C. What a
 * stat takes through it is what the kernel takes for the way there and back.
 *
 * usage: fuse-peer DIR    mounts on DIR a directory with one empty file, "bench", and nothing cached; ends with the mount
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define FILE_NODE 2
#define REQUEST_SIZE (128 * 1024 + 4096)

static int device;

static void answer(const struct fuse_in_header *in, int error, void *body, size_t size)
{
	struct fuse_out_header out = { .len = sizeof(out) + size, .error = error, .unique = in->unique };
	struct iovec parts[] = { { &out, sizeof(out) }, { body, size } };

	/* ENOENT: whoever asked does not wait any more. */
	if (writev(device, parts, 2) < 0 && errno != ENOENT)
		err(1, "/dev/fuse");
}

static struct fuse_attr attributes(uint64_t node)
{
	return (struct fuse_attr){
		.ino = node, .mode = node == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0644, .nlink = 1, .blksize = 4096,
	};
}

static void serve(const struct fuse_in_header *in, const void *body)
{
	switch (in->opcode) {
	case FUSE_INIT: {
		const struct fuse_init_in *asked = body;
		struct fuse_init_out o = { .major = FUSE_KERNEL_VERSION, .minor = asked->minor, .max_write = 128 * 1024 };

		answer(in, 0, &o, sizeof(o));
		break;
	}
	case FUSE_LOOKUP: {
		struct fuse_entry_out o = { .nodeid = FILE_NODE, .attr = attributes(FILE_NODE) };

		if (strcmp(body, "bench") == 0)
			answer(in, 0, &o, sizeof(o));
		else
			answer(in, -ENOENT, NULL, 0);
		break;
	}
	case FUSE_GETATTR: {
		struct fuse_attr_out o = { .attr = attributes(in->nodeid) };

		answer(in, 0, &o, sizeof(o));
		break;
	}
	case FUSE_OPEN: {
		struct fuse_open_out o = { .open_flags = FOPEN_DIRECT_IO | FOPEN_NOFLUSH };

		answer(in, 0, &o, sizeof(o));
		break;
	}
	case FUSE_RELEASE:
		answer(in, 0, NULL, 0);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		break;
	default:
		answer(in, -ENOSYS, NULL, 0);
	}
}

int main(int argc, char **argv)
{
	static char request[REQUEST_SIZE] __attribute__((aligned(8)));
	char options[128];

	if (argc != 2)
		errx(2, "usage: fuse-peer DIR");
	device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (device < 0)
		err(1, "/dev/fuse");
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=%d,group_id=%d,default_permissions", device, getuid(),
		 getgid());
	if (mount("peer", argv[1], "fuse.peer", 0, options) != 0)
		err(1, "%s", argv[1]);
	for (;;) {
		ssize_t size = read(device, request, sizeof(request));

		if (size > 0)
			serve((void *)request, request + sizeof(struct fuse_in_header));
		else if (errno == ENODEV)
			return 0;
		else if (errno != EINTR && errno != ENOENT)
			err(1, "/dev/fuse");
	}
}
