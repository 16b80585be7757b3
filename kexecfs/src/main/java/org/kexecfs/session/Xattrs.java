package org.kexecfs.session;

import jnr.constants.platform.linux.Errno;
import org.kexecfs.manifest.Bytes;
import org.kexecfs.posix.ErrnoException;

/** Which extended attributes there are (xattr(7)): {@code user.*}, and in it kexecfs's own. */
final class Xattrs {
    /** What LUO knows the entry by. Read only. */
    static final Bytes TOKEN = Bytes.of("user.kexecfs.token");

    /** How the entry fares. Read only. */
    static final Bytes STATUS = Bytes.of("user.kexecfs.status");

    private static final String USER = "user.";
    private static final String OURS = "user.kexecfs.";
    private static final int XATTR_CREATE = 1;
    private static final int XATTR_REPLACE = 2;

    private Xattrs() {}

    /** Returns if the attribute is one that can be changed: EOPNOTSUPP, EPERM. */
    static void checkNamespace(Bytes attribute) {
        String name = attribute.toString();
        if (!name.startsWith(USER)) {
            throw new ErrnoException(Errno.EOPNOTSUPP, "attribute " + name + ": only user.* is kept across an update");
        }
        if (name.startsWith(OURS) && !attribute.equals(Requirements.ATTRIBUTE)) {
            throw new ErrnoException(Errno.EPERM, "attribute " + name + " is kexecfs's own");
        }
    }

    /** Returns if the attribute may have this value: as {@link #checkNamespace}, and EINVAL. */
    static void checkSet(Bytes attribute, Bytes value) {
        checkNamespace(attribute);
        if (attribute.equals(Requirements.ATTRIBUTE)) {
            Requirements.parse(value);
        }
    }

    /** Returns if setxattr(2)'s flags allow it: EEXIST, ENODATA. */
    static void checkFlags(Bytes attribute, boolean there, int flags) {
        if (there && (flags & XATTR_CREATE) != 0) {
            throw new ErrnoException(Errno.EEXIST, "attribute " + attribute);
        }
        if (!there && (flags & XATTR_REPLACE) != 0) {
            throw new ErrnoException(Errno.ENODATA, "no attribute " + attribute);
        }
    }
}
