/* SPDX-License-Identifier: CC0-1.0 */
/*
 * kexecfs's ioctls: for programs that have a session's mount open and would rather not write text.
 *
 * They work on an open file of the session's root directory and of every kexecfs.* control file in it. Whoever may write
 * to the control file that does the same may use them:
 *
 *  - an open file of that very control file, which is then open for writing, is right enough;
 *  - on any other, the calling thread must be allowed to open that control file for writing now, and see the
 *    filesystem through a mount that is not read-only.
 *
 * Structures begin with their own size, which must be sizeof; what is longer tomorrow has another number. An unknown number
 * gives ENOTTY, an unknown flag or a wrong size EINVAL; other errors are those of the control file. Nothing happened then.
 */
#ifndef KEXECFS_H
#define KEXECFS_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define KEXECFS_IOC_TYPE 0xBE

/* The version of the interface that this header describes; KEXECFS_IOC_GET_INFO tells the mount's. */
#define KEXECFS_INTERFACE_VERSION 1

/*
 * KEXECFS_IOC_PRESERVE: preserve an open file of the calling process under a name, as
 * `echo FD NAME > kexecfs.preserve` does.
 *
 * fd: the calling process's descriptor
 * name: a path from the session's root, ended by a NUL; what follows that is ignored
 */
struct kexecfs_ioc_preserve {
	__u32 size;
	__s32 fd;
	__u8 name[256];
};
#define KEXECFS_IOC_PRESERVE _IOW(KEXECFS_IOC_TYPE, 0, struct kexecfs_ioc_preserve)

/* KEXECFS_IOC_PREPARE: hand every entry to LUO, as `echo 1 > kexecfs.prepare` does. */
#define KEXECFS_IOC_PREPARE _IO(KEXECFS_IOC_TYPE, 1)

/* KEXECFS_IOC_CANCEL: take them all back, as `echo 1 > kexecfs.cancel` does. */
#define KEXECFS_IOC_CANCEL _IO(KEXECFS_IOC_TYPE, 2)

/*
 * KEXECFS_IOC_FINISH: accept the restored files, as writing to kexecfs.finish does.
 *
 * flags: 0 as `1`; one of KEXECFS_FINISH_*
 */
#define KEXECFS_FINISH_STRICT 1  /* EBUSY while a file is unclaimed */
#define KEXECFS_FINISH_RELEASE 2 /* unclaimed files are dropped */
struct kexecfs_ioc_finish {
	__u32 size;
	__u32 flags;
};
#define KEXECFS_IOC_FINISH _IOW(KEXECFS_IOC_TYPE, 3, struct kexecfs_ioc_finish)

/*
 * KEXECFS_IOC_GET_STATE: what kexecfs.state reads.
 *
 * size: set to sizeof
 * state: KEXECFS_STATE_*
 */
#define KEXECFS_STATE_NORMAL 0
#define KEXECFS_STATE_PREPARED 1
#define KEXECFS_STATE_UPDATED 2
#define KEXECFS_STATE_FAILED 3
struct kexecfs_ioc_get_state {
	__u32 size;
	__u32 state;
};
#define KEXECFS_IOC_GET_STATE _IOR(KEXECFS_IOC_TYPE, 4, struct kexecfs_ioc_get_state)

/*
 * KEXECFS_IOC_GET_INFO: the facts of kexecfs.info that are numbers, and the session's name.
 *
 * size: set to sizeof
 * version: of the interface, KEXECFS_INTERFACE_VERSION
 * cycle: how many updates the session has been through
 * entries: files and directories in it
 * bytes: in its files
 * session: its name, ended by a NUL
 */
struct kexecfs_ioc_get_info {
	__u32 size;
	__u32 version;
	__aligned_u64 cycle;
	__aligned_u64 entries;
	__aligned_u64 bytes;
	__u8 session[64];
};
#define KEXECFS_IOC_GET_INFO _IOR(KEXECFS_IOC_TYPE, 5, struct kexecfs_ioc_get_info)

#endif
