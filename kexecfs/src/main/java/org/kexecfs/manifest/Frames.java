package org.kexecfs.manifest;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/** Frames on their way into a log: each is a payload's length, the CRC-32C of length and payload, and the payload. */
final class Frames {
    /** Bytes before a payload. */
    static final int HEAD = 8;

    private static final int FIRST = 256;

    private byte[] bytes = new byte[FIRST];
    private int length;

    /** Adds a frame. */
    Frames add(byte[] payload) {
        int size = HEAD + payload.length;
        int end = Math.addExact(length, size);
        if (end > bytes.length) {
            bytes = Arrays.copyOf(bytes, Math.max(end, 2 * bytes.length));
        }
        ByteBuffer frame = ByteBuffer.wrap(bytes, length, size).slice().order(ByteOrder.LITTLE_ENDIAN);
        frame.putInt(0, payload.length).put(HEAD, payload);
        frame.putInt(Integer.BYTES, crc(frame, 0, payload.length));
        length = end;
        return this;
    }

    /** Bytes of all of them. */
    int length() {
        return length;
    }

    /** All of them, one behind the other. */
    byte[] toArray() {
        return Arrays.copyOf(bytes, length);
    }

    /** Forgets them. */
    void clear() {
        length = 0;
    }

    /** The checksum of the frame at {@code at} in {@code frames}, whose payload has {@code length} bytes. */
    static int crc(ByteBuffer frames, int at, int length) {
        return Crc.of(frames.slice(at, Integer.BYTES), frames.slice(at + HEAD, length));
    }
}
