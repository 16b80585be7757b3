package org.kexecfs.manifest;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.SortedMap;
import java.util.TreeMap;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Time;

/** Changes as records of the log, and back. What a record says is checked here; what it means for the tree is not. */
final class Records {
    private static final byte NUL = 0;

    private Records() {}

    /** A change as a frame's payload. */
    static byte[] encode(Change change) {
        return record(change).toByteArray();
    }

    /** A frame's payload as the message that it is. */
    static Wire.Change parse(ByteBuffer payload) throws Damage {
        try {
            return Wire.Change.parseFrom(payload);
        } catch (InvalidProtocolBufferException e) {
            throw new Damage("it is no record: " + e.getMessage());
        }
    }

    /** Whether this build knows what kind of change it is. */
    static boolean isKnown(Wire.Change record) {
        return record.getKindCase() != Wire.Change.KindCase.KIND_NOT_SET;
    }

    /**
     * The change that a record of a kind that is known says.
     *
     * @throws Damage if a value is out of its range, or part of it is not understood
     */
    static Change decode(Wire.Change record) throws Damage {
        Change change;
        try {
            change = switch (record.getKindCase()) {
                case PUT -> new Change.Put(node(record.getPut()));
                case REMOVE -> new Change.Remove(record.getRemove().getToken());
                case LINK -> link(record.getLink());
                case UNLINK ->
                    new Change.Unlink(
                            record.getUnlink().getParent(),
                            name(record.getUnlink().getName()));
                case KIND_NOT_SET -> throw new IllegalArgumentException("not known");
            };
        } catch (ErrnoException e) {
            throw new Damage("it holds " + e.getMessage());
        }
        if (!understood(record, change).equals(record)) {
            throw new Damage("it has fields that this kexecfs does not know");
        }
        return change;
    }

    /** What is left of a record if only what is understood of it is written back, and what may be kept without that. */
    private static Wire.Change understood(Wire.Change record, Change change) {
        return change instanceof Change.Put
                ? Wire.Change.newBuilder().setPut(record.getPut()).build()
                : record(change);
    }

    private static Wire.Change record(Change change) {
        Wire.Change.Builder record = Wire.Change.newBuilder();
        return switch (change) {
            case Change.Put(Node node) -> record.setPut(record(node)).build();
            case Change.Remove(long token) ->
                record.setRemove(Wire.Remove.newBuilder().setToken(token)).build();
            case Change.Link(long parent, Name name, long token) ->
                record.setLink(Wire.Link.newBuilder()
                                .setParent(parent)
                                .setName(ByteString.copyFrom(name.bytes()))
                                .setToken(token))
                        .build();
            case Change.Unlink(long parent, Name name) ->
                record.setUnlink(Wire.Unlink.newBuilder().setParent(parent).setName(ByteString.copyFrom(name.bytes())))
                        .build();
        };
    }

    private static Wire.Node record(Node node) {
        Wire.Node.Builder record = unknown(node.unknown())
                .setToken(node.token())
                .setKind(
                        switch (node.kind()) {
                            case FILE -> Wire.Kind.KIND_FILE;
                            case DIRECTORY -> Wire.Kind.KIND_DIRECTORY;
                        })
                .setUid(node.uid())
                .setGid(node.gid())
                .setMode(node.mode())
                .setAccessedSeconds(node.accessed().seconds())
                .setAccessedNanoseconds((int) node.accessed().nanoseconds())
                .setModifiedSeconds(node.modified().seconds())
                .setModifiedNanoseconds((int) node.modified().nanoseconds())
                .setReadOnly(node.readOnly());
        node.xattrs().forEach((name, value) -> record.addXattr(xattr(name, value)));
        return record.build();
    }

    private static Node node(Wire.Node record) throws Damage {
        return new Node(
                record.getToken(),
                kind(record.getKind()),
                record.getUid(),
                record.getGid(),
                record.getMode(),
                time(record.getAccessedSeconds(), record.getAccessedNanoseconds()),
                time(record.getModifiedSeconds(), record.getModifiedNanoseconds()),
                record.getReadOnly(),
                xattrs(record),
                unknown(record));
    }

    private static Kind kind(Wire.Kind kind) throws Damage {
        return switch (kind) {
            case KIND_FILE -> Kind.FILE;
            case KIND_DIRECTORY -> Kind.DIRECTORY;
            case KIND_UNSPECIFIED, UNRECOGNIZED ->
                throw new Damage("it is an entry that is neither file nor directory");
        };
    }

    private static Time time(long seconds, int nanoseconds) {
        return new Time(seconds, Integer.toUnsignedLong(nanoseconds));
    }

    private static Change link(Wire.Link record) {
        return new Change.Link(record.getParent(), name(record.getName()), record.getToken());
    }

    private static Name name(ByteString name) {
        return Name.of(name.toByteArray());
    }

    private static ByteString xattr(Bytes name, Bytes value) {
        byte[] xattr = Arrays.copyOf(name.toArray(), name.length() + 1 + value.length());
        System.arraycopy(value.toArray(), 0, xattr, name.length() + 1, value.length());
        return ByteString.copyFrom(xattr);
    }

    private static SortedMap<Bytes, Bytes> xattrs(Wire.Node record) throws Damage {
        SortedMap<Bytes, Bytes> xattrs = new TreeMap<>();
        for (ByteString xattr : record.getXattrList()) {
            int nul = 0;
            while (nul < xattr.size() && xattr.byteAt(nul) != NUL) {
                nul++;
            }
            if (nul == xattr.size()) {
                throw new Damage("it has an extended attribute without a value");
            }
            Bytes name = Bytes.of(xattr.substring(0, nul).toByteArray());
            if (xattrs.put(name, Bytes.of(xattr.substring(nul + 1).toByteArray())) != null) {
                throw new Damage("it has the extended attribute " + name + " twice");
            }
        }
        return xattrs;
    }

    /** A record that has what is kept without being known, and nothing else yet. */
    private static Wire.Node.Builder unknown(Bytes fields) {
        try {
            return fields.isEmpty() ? Wire.Node.newBuilder() : Wire.Node.parseFrom(fields.toArray()).toBuilder();
        } catch (InvalidProtocolBufferException e) {
            throw new IllegalArgumentException("unknown fields that were not read from a manifest", e);
        }
    }

    /** What a record has beside the fields that are known. */
    private static Bytes unknown(Wire.Node record) {
        return Bytes.of(record.toBuilder()
                .clearToken()
                .clearKind()
                .clearUid()
                .clearGid()
                .clearMode()
                .clearAccessedSeconds()
                .clearAccessedNanoseconds()
                .clearModifiedSeconds()
                .clearModifiedNanoseconds()
                .clearReadOnly()
                .clearXattr()
                .build()
                .toByteArray());
    }
}
