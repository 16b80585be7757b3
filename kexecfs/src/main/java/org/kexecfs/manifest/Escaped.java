package org.kexecfs.manifest;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CoderResult;
import java.nio.charset.StandardCharsets;

/**
 * Bytes as text for one line of a table: UTF-8, and {@code \ooo} for each byte that is a control character's, a
 * backslash, or no UTF-8.
 */
final class Escaped {
    private Escaped() {}

    static String text(byte[] bytes) {
        CharsetDecoder decoder = StandardCharsets.UTF_8.newDecoder();
        ByteBuffer in = ByteBuffer.wrap(bytes);
        CharBuffer out = CharBuffer.allocate(bytes.length);
        StringBuilder text = new StringBuilder(bytes.length);
        while (true) {
            CoderResult result = decoder.decode(in, out, true);
            printable(out.flip(), text);
            out.clear();
            if (!result.isError()) {
                return text.toString();
            }
            for (int i = 0; i < result.length(); i++) {
                octal(in.get(), text);
            }
        }
    }

    private static void printable(CharBuffer chars, StringBuilder text) {
        chars.chars().forEach(c -> {
            if (c == '\\' || Character.isISOControl(c)) {
                for (byte b : Character.toString(c).getBytes(StandardCharsets.UTF_8)) {
                    octal(b, text);
                }
            } else {
                text.append((char) c);
            }
        });
    }

    private static void octal(byte b, StringBuilder text) {
        text.append('\\')
                .append((char) ('0' + (b >> 6 & 3)))
                .append((char) ('0' + (b >> 3 & 7)))
                .append((char) ('0' + (b & 7)));
    }
}
