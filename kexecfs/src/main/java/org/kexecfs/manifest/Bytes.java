package org.kexecfs.manifest;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * A string of bytes, of any length and values: what names and values are on Linux. Immutable, compared as unsigned
 * bytes.
 */
public final class Bytes implements Comparable<Bytes> {
    /** No bytes. */
    public static final Bytes EMPTY = new Bytes(new byte[0]);

    private final byte[] bytes;

    private Bytes(byte[] bytes) {
        this.bytes = bytes;
    }

    /** A copy of {@code bytes}. */
    public static Bytes of(byte[] bytes) {
        return bytes.length == 0 ? EMPTY : new Bytes(bytes.clone());
    }

    /** The UTF-8 of {@code text}. */
    public static Bytes of(String text) {
        return of(text.getBytes(StandardCharsets.UTF_8));
    }

    /** How many bytes. */
    public int length() {
        return bytes.length;
    }

    /** Whether there are none. */
    public boolean isEmpty() {
        return bytes.length == 0;
    }

    /** Whether {@code b} is among them. */
    public boolean contains(int b) {
        for (byte each : bytes) {
            if (each == (byte) b) {
                return true;
            }
        }
        return false;
    }

    /** A copy of the bytes, the caller's own. */
    public byte[] toArray() {
        return bytes.clone();
    }

    @Override
    public int compareTo(Bytes other) {
        return Arrays.compareUnsigned(bytes, other.bytes);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Bytes that && Arrays.equals(bytes, that.bytes);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(bytes);
    }

    /**
     * The bytes as text: UTF-8, but control characters, the backslash and what is not UTF-8 as {@code \ooo}, three
     * octal digits a byte. It has no tab and no newline, and different bytes give different text.
     */
    @Override
    public String toString() {
        return Escaped.text(bytes);
    }
}
