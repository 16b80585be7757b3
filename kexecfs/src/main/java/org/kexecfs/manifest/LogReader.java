package org.kexecfs.manifest;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import org.kexecfs.posix.Fd;

/**
 * The reading end of a log: its frames in order, each checked before it is handed out. Holds one piece of the file at a
 * time, no larger than the largest frame, and no larger than what counts of the file.
 */
final class LogReader {
    private static final int PIECE = Frames.HEAD + Bounds.FRAME;

    private final Fd memfd;
    private final long committed;
    private long next = Start.END;
    private ByteBuffer piece = ByteBuffer.allocate(0);
    private long pieceAt = Start.END;

    /** Begins with a file's first frame. */
    LogReader(Fd memfd) throws Damage {
        this.memfd = memfd;
        committed = Start.read(read(0, Start.END));
    }

    /** How many bytes of the file count. */
    long committed() {
        return committed;
    }

    /** Where the next frame is, bytes from the file's start. */
    long position() {
        return next;
    }

    /** Whether there is one more frame, whole or not. */
    boolean hasNext() {
        return next < committed;
    }

    /**
     * The next frame's payload, good until the next call.
     *
     * @throws Damage if it is not whole, or not what was written
     */
    ByteBuffer next() throws Damage {
        int at = need(Frames.HEAD);
        long length = Integer.toUnsignedLong(piece.getInt(at));
        if (length == 0 || length > Bounds.FRAME) {
            throw new Damage("it has a length of " + length + " bytes, and 1 to " + Bounds.FRAME + " are allowed");
        }
        at = need(Frames.HEAD + (int) length);
        if (piece.getInt(at + Integer.BYTES) != Frames.crc(piece, at, (int) length)) {
            throw new Damage("its checksum is wrong");
        }
        next += Frames.HEAD + length;
        return piece.slice(at + Frames.HEAD, (int) length);
    }

    /** Has {@code bytes} from the next frame's start on in the piece, and says where in it that is. */
    private int need(int bytes) throws Damage {
        if (next + bytes > committed) {
            throw new Damage("it goes past the manifest's " + committed + " bytes");
        }
        if (next + bytes > pieceAt + piece.capacity()) {
            piece = ByteBuffer.wrap(read(next, (int) Math.min(PIECE, committed - next)))
                    .order(ByteOrder.LITTLE_ENDIAN);
            pieceAt = next;
            if (piece.capacity() < bytes) {
                throw new Damage(
                        "the file ends at byte " + (next + piece.capacity()) + " of the manifest's " + committed);
            }
        }
        return (int) (next - pieceAt);
    }

    private byte[] read(long from, int most) {
        byte[] bytes = new byte[most];
        int length = memfd.pread(bytes, from);
        return length == most ? bytes : Arrays.copyOf(bytes, length);
    }
}
