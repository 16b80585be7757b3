package org.kexecfs.fuse;

import org.kexecfs.session.Stat;

/**
 * Whose a file is, and what others may do with it (inode(7)).
 *
 * @param uid owner
 * @param gid group
 * @param mode permission bits
 */
record Permissions(int uid, int gid, int mode) {
    static Permissions of(Stat stat) {
        return new Permissions(stat.uid(), stat.gid(), stat.mode());
    }
}
