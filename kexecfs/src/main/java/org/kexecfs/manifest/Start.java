package org.kexecfs.manifest;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * The first 24 bytes of a log: 8 that say what it is, and two commit words. Each word says how many bytes of the file
 * count, with the CRC-32C of that; the greater one that is sound is right.
 *
 * <p>Only the words are ever written again, one after the other. So a write of one that is cut short, wherever, leaves
 * the other, which says what counted before; and once both are written either will do.
 */
final class Start {
    /** Where the words are. */
    static final int[] WORDS = {8, 16};
    /** Where the frames begin. */
    static final int END = 24;

    private static final byte[] MAGIC = {'k', 'e', 'x', 'e', 'c', 'f', 's', '\n'};
    private static final int WORD = 8;

    private Start() {}

    /** The first bytes of a log that holds nothing yet: the magic, and zeros, which are no sound words. */
    static byte[] none() {
        return ByteBuffer.allocate(END).put(MAGIC).array();
    }

    /**
     * A word.
     *
     * @param committed bytes of the file that count, {@value #END} to {@link Bounds#LOG}
     */
    static byte[] word(long committed) {
        ByteBuffer word =
                ByteBuffer.allocate(WORD).order(ByteOrder.LITTLE_ENDIAN).putInt((int) committed);
        return word.putInt(Crc.of(word.slice(0, Integer.BYTES))).array();
    }

    /**
     * Reads what counts.
     *
     * @param bytes the file's first {@value #END} bytes, or all if it has fewer
     * @return how many bytes count, {@value #END} to {@link Bounds#LOG}
     */
    static long read(byte[] bytes) throws Damage {
        if (bytes.length < END) {
            throw new Damage("it has " + bytes.length + " bytes, too few for a manifest");
        }
        ByteBuffer start = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        if (!start.slice(0, MAGIC.length).equals(ByteBuffer.wrap(MAGIC))) {
            throw new Damage("it does not begin as a manifest does");
        }
        long committed = -1;
        for (int at : WORDS) {
            if (start.getInt(at + Integer.BYTES) == Crc.of(start.slice(at, Integer.BYTES))) {
                committed = Math.max(committed, Integer.toUnsignedLong(start.getInt(at)));
            }
        }
        if (committed < 0) {
            throw new Damage(
                    "it does not say how much of it counts: it was never completed, or its start was overwritten");
        }
        if (committed < END || committed > Bounds.LOG) {
            throw new Damage("it says that " + committed + " bytes of it count, and " + Bounds.LOG + " are the most");
        }
        return committed;
    }
}
