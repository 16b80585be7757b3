package org.kexecfs.manifest;

import java.nio.ByteBuffer;

/**
 * The fields of a record, one after the other, in protobuf's encoding. Read by hand: protobuf's run time costs a mount
 * more to load than the whole of this room, and does not give out the fields that it does not know.
 *
 * <p>Stricter than protobuf: a known field has the type that it should have, and groups, which nobody writes any more,
 * are refused.
 */
final class FieldReader {
    private static final int LONGEST_VARINT = 64;

    private final ByteBuffer in;
    private int begin;
    private int number;
    private int type;
    private long value;
    private ByteBuffer content;

    /** Reads what is left in {@code record}. */
    FieldReader(ByteBuffer record) {
        in = record.slice();
    }

    /** Goes to the next field; false if there is none. */
    boolean next() throws Damage {
        if (!in.hasRemaining()) {
            return false;
        }
        begin = in.position();
        long tag = varint();
        type = (int) tag & 7;
        number = (int) (tag >>> 3);
        if (number == 0 || tag >>> 32 != 0) {
            throw new Damage("it has a field without a number");
        }
        switch (type) {
            case FieldWriter.VARINT -> value = varint();
            case FieldWriter.FIXED64 -> content = take(Long.BYTES);
            case FieldWriter.BYTES -> content = take(varint());
            case FieldWriter.FIXED32 -> content = take(Integer.BYTES);
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
        return copy(content());
    }

    /** A field that is a record itself. */
    FieldReader record() throws Damage {
        return new FieldReader(content());
    }

    /** The whole field as it is written, with its number and type. */
    Bytes whole() {
        return copy(in.slice(begin, in.position() - begin));
    }

    private ByteBuffer content() throws Damage {
        expect(FieldWriter.BYTES);
        return content;
    }

    private void expect(int expected) throws Damage {
        if (type != expected) {
            throw new Damage("field " + number + " is of type " + type + " and not " + expected);
        }
    }

    private ByteBuffer take(long length) throws Damage {
        if (length < 0 || length > in.remaining()) {
            throw tooShort();
        }
        ByteBuffer taken = in.slice(in.position(), (int) length);
        in.position(in.position() + (int) length);
        return taken;
    }

    private long varint() throws Damage {
        long read = 0;
        for (int shift = 0; shift < LONGEST_VARINT; shift += 7) {
            if (!in.hasRemaining()) {
                throw tooShort();
            }
            byte b = in.get();
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

    private static Bytes copy(ByteBuffer from) {
        byte[] bytes = new byte[from.remaining()];
        from.get(bytes);
        return Bytes.of(bytes);
    }
}
