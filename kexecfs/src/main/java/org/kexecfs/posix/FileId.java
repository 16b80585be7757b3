package org.kexecfs.posix;

/**
 * What makes two descriptors the same file: LUO, too, tells memfds apart by their inode.
 *
 * @param device major number in the upper 32 bits, minor in the lower
 * @param inode number within the device
 */
public record FileId(long device, long inode) {}
