package org.kexecfs.manifest;

import java.nio.ByteBuffer;
import java.util.zip.CRC32C;

/** The checksum of a log: CRC-32C (Castagnoli), as iSCSI and ext4 have it. */
final class Crc {
    private Crc() {}

    /** The CRC-32C of all that is left in each of {@code parts}, one behind the other. */
    static int of(ByteBuffer... parts) {
        CRC32C crc = new CRC32C();
        for (ByteBuffer part : parts) {
            crc.update(part);
        }
        return (int) crc.getValue();
    }
}
