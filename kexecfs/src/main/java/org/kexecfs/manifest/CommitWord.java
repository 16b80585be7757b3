package org.kexecfs.manifest;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * The first 16 bytes of a log: 8 that say what it is, and the commit word: how many bytes of the file count, and the CRC-32C of all
 * that is before it.
 *
 * <p>Only the word is ever written again. It is 8 bytes at a multiple of 8, in one page: neither a kill nor a kexec leaves half
 * of it.
 */
final class CommitWord {
    /** Where the word is, after the magic. */
    static final int AT = 8;
    /** Where the frames begin, after the word. */
    static final int END = 16;

    private static final byte[] MAGIC = {'k', 'e', 'x', 'e', 'c', 'f', 's', '\n'};
    private static final int CRC_AT = 12;

    private CommitWord() {}

    /** The first bytes of a log that holds nothing yet: the magic, and zeros for the word. */
    static byte[] none() {
        return ByteBuffer.allocate(END).put(MAGIC).array();
    }

    /**
     * The word's 8 bytes.
     *
     * @param committed bytes of the file that count, {@value #END} to {@link Bounds#LOG}
     */
    static byte[] of(long committed) {
        ByteBuffer start = start(none()).putInt(AT, (int) committed);
        start.putInt(CRC_AT, Crc.of(start.slice(0, CRC_AT)));
        return Arrays.copyOfRange(start.array(), AT, END);
    }

    /**
     * Reads it.
     *
     * @param bytes the file's first {@value #END} bytes, or all if it has fewer
     * @return how many bytes count, {@value #END} to {@link Bounds#LOG}
     */
    static long read(byte[] bytes) throws Damage {
        if (bytes.length < END) {
            throw new Damage("it has " + bytes.length + " bytes, too few for a manifest");
        }
        ByteBuffer start = start(bytes);
        if (!start.slice(0, AT).equals(ByteBuffer.wrap(MAGIC))) {
            throw new Damage("it does not begin as a manifest does");
        }
        if (start.getLong(AT) == 0) {
            throw new Damage("it was never completed");
        }
        if (start.getInt(CRC_AT) != Crc.of(start.slice(0, CRC_AT))) {
            throw new Damage("the checksum of its length is wrong");
        }
        long committed = Integer.toUnsignedLong(start.getInt(AT));
        if (committed < END || committed > Bounds.LOG) {
            throw new Damage("it says that it has " + committed + " bytes, and " + Bounds.LOG + " are the most");
        }
        return committed;
    }

    private static ByteBuffer start(byte[] bytes) {
        return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }
}
