package org.kexecfs.posix;

/**
 * What makes two descriptors the same file: LUO, too, tells memfds apart by their inode.
 *
 * @param device major number in the upper 32 bits, minor in the lower
 * @param inode number within the device
 */
public record FileId(long device, long inode) {
    /** Written out, as {@link #hashCode}: what a record has is put together when it is first asked, in a start that is waited for. */
    @Override
    public boolean equals(Object other) {
        return other instanceof FileId file && file.device == device && file.inode == inode;
    }

    @Override
    public int hashCode() {
        return Long.hashCode(31 * device + inode);
    }
}
