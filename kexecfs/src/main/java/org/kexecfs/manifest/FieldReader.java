package org.kexecfs.manifest;

import java.nio.ByteBuffer;
import java.util.Arrays;

/**
 * The fields of a record, one after the other, in protobuf's encoding. Read by hand: protobuf's run time costs a mount
 * more to load than the whole of this room, and does not give out the fields that it does not know.
 *
 * <p>Stricter than protobuf: a known field has the type that it should have, and groups, which nobody writes any more,
 * are refused.
 */
final class FieldReader {
    private static final int LONGEST_VARINT = 64;

    // Not the buffer that they come in: a mount reads each byte of a manifest before the JVM has compiled any of this.
    private final byte[] in;
    private final int end;
    private int at;
    private int begin;
    private int number;
    private int type;
    private long value;
    private int contentAt;

    /** Reads what is left in {@code record}, which is an array's. */
    FieldReader(ByteBuffer record) {
        this(record.array(), record.arrayOffset() + record.position(), record.arrayOffset() + record.limit());
    }

    private FieldReader(byte[] in, int at, int end) {
        this.in = in;
        this.at = at;
        this.end = end;
    }

    /** Goes to the next field; false if there is none. */
    boolean next() throws Damage {
        if (at == end) {
            return false;
        }
        begin = at;
        long tag = varint();
        type = (int) tag & 7;
        number = (int) (tag >>> 3);
        if (number == 0 || tag >>> 32 != 0) {
            throw new Damage("it has a field without a number");
        }
        switch (type) {
            case FieldWriter.VARINT -> value = varint();
            case FieldWriter.FIXED64 -> take(Long.BYTES);
            case FieldWriter.BYTES -> take(varint());
            case FieldWriter.FIXED32 -> take(Integer.BYTES);
            default -> throw new Damage("it has a field of type " + type + ", which there is not");
        }
        return true;
    }

    /** The field's number, 1 or more. */
    int number() {
        return number;
    }

    /** A uint64, as the 64 bits that it has. */
    long uint64() throws Damage {
        expect(FieldWriter.VARINT);
        return value;
    }

    /** A uint32, 0 to 2^32 - 1. */
    long uint32() throws Damage {
        if (uint64() >>> 32 != 0) {
            throw new Damage("field " + number + " is " + Long.toUnsignedString(value) + ", too large");
        }
        return value;
    }

    /** A sint64. */
    long sint64() throws Damage {
        return uint64() >>> 1 ^ -(value & 1);
    }

    /** A bool. */
    boolean bool() throws Damage {
        return uint64() != 0;
    }

    /** A field of bytes. */
    Bytes bytes() throws Damage {
        expect(FieldWriter.BYTES);
        return copy(contentAt);
    }

    /** A field that is a record itself. */
    FieldReader record() throws Damage {
        expect(FieldWriter.BYTES);
        return new FieldReader(in, contentAt, at);
    }

    /** The whole field as it is written, with its number and type. */
    Bytes whole() {
        return copy(begin);
    }

    private void expect(int expected) throws Damage {
        if (type != expected) {
            throw new Damage("field " + number + " is of type " + type + " and not " + expected);
        }
    }

    private void take(long length) throws Damage {
        if (length < 0 || length > end - at) {
            throw tooShort();
        }
        contentAt = at;
        at += (int) length;
    }

    private long varint() throws Damage {
        long read = 0;
        for (int shift = 0; shift < LONGEST_VARINT; shift += 7) {
            if (at == end) {
                throw tooShort();
            }
            byte b = in[at++];
            read |= (long) (b & 0x7f) << shift;
            if (b >= 0) {
                return read;
            }
        }
        throw new Damage("it has a number of more than 64 bits");
    }

    private static Damage tooShort() {
        return new Damage("it ends within a field");
    }

    /** The bytes from there to where the field ends. */
    private Bytes copy(int from) {
        return Bytes.of(Arrays.copyOfRange(in, from, at));
    }
}
