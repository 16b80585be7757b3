package org.kexecfs.manifest;

import java.io.ByteArrayOutputStream;

/** A record in the making, in protobuf's encoding (proto3: a field of value 0, or of no bytes, is left out). */
final class FieldWriter {
    /** Type of a field: a number in groups of 7 bits, the lowest first. */
    static final int VARINT = 0;
    /** Type of a field: 8 bytes. */
    static final int FIXED64 = 1;
    /** Type of a field: a length, and as many bytes. */
    static final int BYTES = 2;
    /** Type of a field: 4 bytes. */
    static final int FIXED32 = 5;

    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    /** A uint64, or a uint32 of 0 to 2^32 - 1. */
    FieldWriter uint(int number, long value) {
        if (value != 0) {
            varint((long) number << 3 | VARINT);
            varint(value);
        }
        return this;
    }

    /** A sint64. */
    FieldWriter sint64(int number, long value) {
        return uint(number, value << 1 ^ value >> 63);
    }

    /** A bool. */
    FieldWriter bool(int number, boolean value) {
        return uint(number, value ? 1 : 0);
    }

    /** A field of bytes. */
    FieldWriter bytes(int number, byte[] value) {
        return value.length == 0 ? this : content(number, value);
    }

    /** A field that is a record itself: written even if it is empty. */
    FieldWriter record(int number, FieldWriter record) {
        return content(number, record.toArray());
    }

    /** Fields as {@link FieldReader#whole()} gave them. */
    FieldWriter whole(Bytes fields) {
        out.writeBytes(fields.toArray());
        return this;
    }

    /** All that was written. */
    byte[] toArray() {
        return out.toByteArray();
    }

    private FieldWriter content(int number, byte[] value) {
        varint((long) number << 3 | BYTES);
        varint(value.length);
        out.writeBytes(value);
        return this;
    }

    private void varint(long value) {
        long rest = value;
        while ((rest & ~0x7fL) != 0) {
            out.write((int) rest & 0x7f | 0x80);
            rest >>>= 7;
        }
        out.write((int) rest);
    }
}
