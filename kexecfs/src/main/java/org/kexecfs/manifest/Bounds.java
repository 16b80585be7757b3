package org.kexecfs.manifest;

/**
 * The most that a manifest may hold. A writer keeps to them, and a reader holds whatever it is handed against them
 * before it allocates anything for it.
 */
public final class Bounds {
    /** Bytes of a whole log: 256 MiB. */
    public static final int LOG = 256 << 20;
    /** Bytes of one frame's payload, which is one change: 1 MiB, more than an entry with the most attributes takes. */
    public static final int FRAME = 1 << 20;
    /** Bytes of an entry's name. */
    public static final int NAME = 255;
    /** Bytes of a session's name. */
    public static final int SESSION = 63;
    /** Bytes of an extended attribute's name. */
    public static final int XATTR_NAME = 255;
    /** Bytes of an extended attribute's value: 64 KiB. */
    public static final int XATTR_VALUE = 64 << 10;
    /** Bytes of all extended attributes of one entry, names and values: 128 KiB. */
    public static final int XATTRS = 128 << 10;
    /** Bytes of what a newer writer recorded of one entry and this build keeps without knowing it: 64 KiB. */
    public static final int UNKNOWN_FIELDS = 64 << 10;
    /** Bytes of all changes that this build keeps without knowing them: 1 MiB. */
    public static final int UNKNOWN_CHANGES = 1 << 20;
    /** Entries, the root included. It takes the tree to count them: whoever applies the changes holds to it. */
    public static final int NODES = 1 << 20;
    /** The highest token: what is left above it can never overflow. */
    public static final long TOKEN = 1L << 62;

    private Bounds() {}
}
