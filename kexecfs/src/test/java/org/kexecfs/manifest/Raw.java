package org.kexecfs.manifest;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.zip.CRC32C;
import org.kexecfs.posix.Fd;

/** The bytes of a manifest, as doc/manifest.md has them, written and read without the code that is tested. */
final class Raw {
    private static final byte[] MAGIC = "kexecfs\n".getBytes(StandardCharsets.US_ASCII);

    private Raw() {}

    /** A whole, committed log of these payloads. */
    static byte[] log(byte[]... payloads) {
        byte[] frames = concat(Arrays.stream(payloads).map(Raw::frame).toArray(byte[][]::new));
        return concat(start(24 + frames.length), frames);
    }

    /** The first 24 bytes of a log of which {@code committed} bytes count. */
    static byte[] start(long committed) {
        byte[] length = little(4).putInt((int) committed).array();
        byte[] word = concat(length, little(4).putInt(crc(length)).array());
        return concat(MAGIC, word, word);
    }

    static byte[] frame(byte[] payload) {
        byte[] length = little(4).putInt(payload.length).array();
        byte[] crc = little(4).putInt(crc(concat(length, payload))).array();
        return concat(length, crc, payload);
    }

    /** The payloads of a log. */
    static List<byte[]> payloads(byte[] log) {
        ByteBuffer in = ByteBuffer.wrap(log).order(ByteOrder.LITTLE_ENDIAN);
        int committed = in.getInt(8);
        List<byte[]> payloads = new ArrayList<>();
        in.position(24);
        while (in.position() < committed) {
            byte[] payload = new byte[in.getInt()];
            in.getInt();
            in.get(payload);
            payloads.add(payload);
        }
        return payloads;
    }

    /** A field of a protobuf message: number 1 to 15, length-delimited. */
    static byte[] field(int number, String value) {
        byte[] bytes = value.getBytes(StandardCharsets.UTF_8);
        return concat(new byte[] {(byte) (number << 3 | 2), (byte) bytes.length}, bytes);
    }

    static byte[] header(String session, int format, int oldestReader) {
        return Wire.Header.newBuilder()
                .setFormat(format)
                .setOldestReader(oldestReader)
                .setWriter("kexecfs 9.8")
                .setSession(com.google.protobuf.ByteString.copyFromUtf8(session))
                .setNextToken(1)
                .build()
                .toByteArray();
    }

    static Fd memfd(byte[] bytes) {
        Fd memfd = Fd.memfd("kexecfs:test");
        memfd.pwrite(bytes, 0);
        return memfd;
    }

    static byte[] bytes(Fd memfd) {
        byte[] bytes = new byte[(int) memfd.status().size()];
        memfd.pread(bytes, 0);
        return bytes;
    }

    static byte[] concat(byte[]... parts) {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        for (byte[] part : parts) {
            all.writeBytes(part);
        }
        return all.toByteArray();
    }

    static boolean contains(byte[] all, byte[] part) {
        return new String(all, StandardCharsets.ISO_8859_1).contains(new String(part, StandardCharsets.ISO_8859_1));
    }

    private static ByteBuffer little(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static int crc(byte[] bytes) {
        CRC32C crc = new CRC32C();
        crc.update(bytes);
        return (int) crc.getValue();
    }
}
