package org.kexecfs.manifest;

import java.util.Collections;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Time;

/**
 * What is kept of an entry beside its bytes and its names. Immutable.
 *
 * @param token what LUO knows the entry by, 0 to {@link Bounds#TOKEN}; 0 is the root directory (LUO's own token 0 is
 *     the manifest), and directories have tokens from the same sequence with nothing in LUO under them
 * @param kind file or directory
 * @param uid owner, 32 bits, unsigned
 * @param gid group, 32 bits, unsigned
 * @param mode permission bits, 0 to 07777
 * @param accessed atime
 * @param modified mtime
 * @param readOnly whether the open file that was linked had no write access
 * @param absence what it means if the file is not there after a kexec
 * @param xattrs extended attributes, full name ({@code user.comment}) to value
 * @param unknown fields that a newer kexecfs recorded and this one does not know; empty for what is made here. Keep it
 *     when an entry changes (the {@code with} methods do)
 * @throws ErrnoException EINVAL for a value out of its range; as setxattr(2) has them, ERANGE for an attribute's name
 *     of no byte or more than {@value Bounds#XATTR_NAME}, E2BIG for a value of more than {@value Bounds#XATTR_VALUE},
 *     ENOSPC for more than {@value Bounds#XATTRS} bytes in all
 */
public record Node(
        long token,
        Kind kind,
        int uid,
        int gid,
        int mode,
        Time accessed,
        Time modified,
        boolean readOnly,
        Absence absence,
        SortedMap<Bytes, Bytes> xattrs,
        Bytes unknown) {
    private static final int MODE = 07777;
    private static final long SECOND = 1_000_000_000;

    public Node {
        require(token >= 0 && token <= Bounds.TOKEN, "token " + Long.toUnsignedString(token));
        require(token != 0 || kind == Kind.DIRECTORY, "a root that is no directory");
        require((mode & ~MODE) == 0, "mode 0" + Integer.toOctalString(mode));
        require(isTime(accessed) && isTime(modified), "nanoseconds of a time");
        require(unknown.length() <= Bounds.UNKNOWN_FIELDS, unknown.length() + " bytes of unknown fields");
        xattrs = checked(xattrs);
    }

    /**
     * A new entry, without extended attributes, whose times are {@code now}.
     *
     * @param token see {@link Manifest#allocateToken()}; 0 for the root
     */
    public static Node of(long token, Kind kind, int uid, int gid, int mode, Time now, boolean readOnly) {
        return new Node(
                token,
                kind,
                uid,
                gid,
                mode,
                now,
                now,
                readOnly,
                Absence.DAMAGE,
                Collections.emptySortedMap(),
                Bytes.EMPTY);
    }

    /** The same entry with other permission bits, 0 to 07777. */
    public Node withMode(int newMode) {
        return new Node(token, kind, uid, gid, newMode, accessed, modified, readOnly, absence, xattrs, unknown);
    }

    /** The same entry with another owner and group. */
    public Node withOwner(int newUid, int newGid) {
        return new Node(token, kind, newUid, newGid, mode, accessed, modified, readOnly, absence, xattrs, unknown);
    }

    /** The same entry with other times. */
    public Node withTimes(Time newAccessed, Time newModified) {
        return new Node(token, kind, uid, gid, mode, newAccessed, newModified, readOnly, absence, xattrs, unknown);
    }

    /** The same entry, whose file may be absent for another reason. */
    public Node withAbsence(Absence newAbsence) {
        return new Node(token, kind, uid, gid, mode, accessed, modified, readOnly, newAbsence, xattrs, unknown);
    }

    /** The same entry with one extended attribute set; errors as for the constructor. */
    public Node withXattr(Bytes name, Bytes value) {
        SortedMap<Bytes, Bytes> changed = new TreeMap<>(xattrs);
        changed.put(name, value);
        return withXattrs(changed);
    }

    /** The same entry without one extended attribute, which need not be there. */
    public Node withoutXattr(Bytes name) {
        SortedMap<Bytes, Bytes> changed = new TreeMap<>(xattrs);
        changed.remove(name);
        return withXattrs(changed);
    }

    private Node withXattrs(SortedMap<Bytes, Bytes> changed) {
        return new Node(token, kind, uid, gid, mode, accessed, modified, readOnly, absence, changed, unknown);
    }

    private static boolean isTime(Time time) {
        return time.nanoseconds() >= 0 && time.nanoseconds() < SECOND;
    }

    private static void require(boolean holds, String what) {
        if (!holds) {
            throw new ErrnoException(Errno.EINVAL, what);
        }
    }

    private static SortedMap<Bytes, Bytes> checked(SortedMap<Bytes, Bytes> xattrs) {
        if (xattrs.isEmpty()) {
            return Collections.emptySortedMap();
        }
        long all = 0;
        for (Map.Entry<Bytes, Bytes> xattr : xattrs.entrySet()) {
            Bytes name = xattr.getKey();
            int size = xattr.getValue().length();
            if (name.isEmpty() || name.length() > Bounds.XATTR_NAME) {
                throw new ErrnoException(Errno.ERANGE, "an attribute's name of " + name.length() + " bytes");
            }
            require(!name.contains(0), "an attribute's name with a NUL");
            if (size > Bounds.XATTR_VALUE) {
                throw new ErrnoException(Errno.E2BIG, "attribute " + name + " of " + size + " bytes");
            }
            all += name.length() + size;
        }
        if (all > Bounds.XATTRS) {
            throw new ErrnoException(
                    Errno.ENOSPC, "attributes of " + all + " bytes, and " + Bounds.XATTRS + " are the most");
        }
        return Collections.unmodifiableSortedMap(new TreeMap<>(xattrs));
    }
}
