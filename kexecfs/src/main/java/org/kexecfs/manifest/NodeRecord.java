package org.kexecfs.manifest;

import java.util.Arrays;
import java.util.SortedMap;
import java.util.TreeMap;
import org.kexecfs.posix.Time;

/** An entry as message Node of manifest.proto, and back. */
final class NodeRecord {
    private static final int TOKEN = 1;
    private static final int KIND = 2;
    private static final int UID = 3;
    private static final int GID = 4;
    private static final int MODE = 5;
    private static final int ACCESSED_SECONDS = 6;
    private static final int ACCESSED_NANOSECONDS = 7;
    private static final int MODIFIED_SECONDS = 8;
    private static final int MODIFIED_NANOSECONDS = 9;
    private static final int READ_ONLY = 10;
    private static final int XATTR = 11;
    private static final int ABSENCE = 12;

    private static final int KIND_FILE = 1;
    private static final int KIND_DIRECTORY = 2;

    private static final int ABSENCE_DAMAGE = 0;
    private static final int ABSENCE_NEW = 1;
    private static final int ABSENCE_TAKEN_BACK = 2;

    private long token;
    private long kind;
    private long uid;
    private long gid;
    private long mode;
    private long accessedSeconds;
    private long accessedNanoseconds;
    private long modifiedSeconds;
    private long modifiedNanoseconds;
    private boolean readOnly;
    private long absence;
    private final SortedMap<Bytes, Bytes> xattrs = new TreeMap<>();
    private final FieldWriter unknown = new FieldWriter();

    private NodeRecord() {}

    static FieldWriter encode(Node node) {
        FieldWriter record = new FieldWriter()
                .uint(TOKEN, node.token())
                .uint(
                        KIND,
                        switch (node.kind()) {
                            case FILE -> KIND_FILE;
                            case DIRECTORY -> KIND_DIRECTORY;
                        })
                .uint(UID, Integer.toUnsignedLong(node.uid()))
                .uint(GID, Integer.toUnsignedLong(node.gid()))
                .uint(MODE, node.mode())
                .sint64(ACCESSED_SECONDS, node.accessed().seconds())
                .uint(ACCESSED_NANOSECONDS, node.accessed().nanoseconds())
                .sint64(MODIFIED_SECONDS, node.modified().seconds())
                .uint(MODIFIED_NANOSECONDS, node.modified().nanoseconds())
                .bool(READ_ONLY, node.readOnly());
        node.xattrs().forEach((name, value) -> record.bytes(XATTR, xattr(name.toArray(), value.toArray())));
        return record.uint(
                        ABSENCE,
                        switch (node.absence()) {
                            case DAMAGE -> ABSENCE_DAMAGE;
                            case NEW -> ABSENCE_NEW;
                            case TAKEN_BACK -> ABSENCE_TAKEN_BACK;
                        })
                .whole(node.unknown());
    }

    /**
     * The entry that a record says.
     *
     * @throws Damage if it cannot be understood
     * @throws org.kexecfs.posix.ErrnoException for a value out of its range
     */
    static Node decode(FieldReader fields) throws Damage {
        NodeRecord record = new NodeRecord();
        while (fields.next()) {
            record.take(fields);
        }
        return record.node();
    }

    private void take(FieldReader field) throws Damage {
        switch (field.number()) {
            case TOKEN -> token = field.uint64();
            case KIND -> kind = field.uint64();
            case UID -> uid = field.uint32();
            case GID -> gid = field.uint32();
            case MODE -> mode = field.uint32();
            case ACCESSED_SECONDS -> accessedSeconds = field.sint64();
            case ACCESSED_NANOSECONDS -> accessedNanoseconds = field.uint32();
            case MODIFIED_SECONDS -> modifiedSeconds = field.sint64();
            case MODIFIED_NANOSECONDS -> modifiedNanoseconds = field.uint32();
            case READ_ONLY -> readOnly = field.bool();
            case ABSENCE -> absence = field.uint64();
            case XATTR -> xattr(field.bytes().toArray());
            default -> unknown.whole(field.whole());
        }
    }

    private void xattr(byte[] xattr) throws Damage {
        int nul = 0;
        while (nul < xattr.length && xattr[nul] != 0) {
            nul++;
        }
        if (nul == xattr.length) {
            throw new Damage("it has an extended attribute without a value");
        }
        Bytes name = Bytes.of(Arrays.copyOf(xattr, nul));
        if (xattrs.put(name, Bytes.of(Arrays.copyOfRange(xattr, nul + 1, xattr.length))) != null) {
            throw new Damage("it has the extended attribute " + name + " twice");
        }
    }

    private Node node() throws Damage {
        return new Node(
                token,
                kind(),
                (int) uid,
                (int) gid,
                (int) mode,
                new Time(accessedSeconds, accessedNanoseconds),
                new Time(modifiedSeconds, modifiedNanoseconds),
                readOnly,
                absence(),
                xattrs,
                Bytes.of(unknown.toArray()));
    }

    private Kind kind() throws Damage {
        if (kind == KIND_FILE) {
            return Kind.FILE;
        }
        if (kind == KIND_DIRECTORY) {
            return Kind.DIRECTORY;
        }
        throw new Damage("it is an entry that is neither file nor directory");
    }

    private Absence absence() throws Damage {
        if (absence == ABSENCE_DAMAGE) {
            return Absence.DAMAGE;
        }
        if (absence == ABSENCE_NEW) {
            return Absence.NEW;
        }
        if (absence == ABSENCE_TAKEN_BACK) {
            return Absence.TAKEN_BACK;
        }
        throw new Damage("it is an entry that may be absent for a reason unknown");
    }

    private static byte[] xattr(byte[] name, byte[] value) {
        byte[] xattr = Arrays.copyOf(name, name.length + 1 + value.length);
        System.arraycopy(value, 0, xattr, name.length + 1, value.length);
        return xattr;
    }
}
