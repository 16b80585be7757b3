package org.kexecfs.tool;

import jnr.ffi.Pointer;
import org.kexecfs.posix.Fd;

/** Copies all that can be read from a descriptor, which may be a pipe. */
final class Copy {
    private static final int PIECE = 1 << 20;

    private final Fd from;
    private final Progress progress;

    Copy(Fd from, Progress progress) {
        this.from = from;
        this.progress = progress;
    }

    /**
     * Copies, from where {@code from} is now to the beginning of {@code to}.
     *
     * @throws org.kexecfs.posix.ErrnoException EISDIR, EIO, EBADF it cannot be read; ENOSPC, EFBIG, ENOMEM
     */
    void into(Fd to) {
        Pointer piece = Fd.allocate(PIECE);
        long expected = expected();
        long done = 0;
        for (long n = from.read(piece, PIECE); n > 0; n = from.read(piece, PIECE)) {
            for (long written = 0; written < n; ) {
                written += to.pwrite(piece.slice(written), n - written, done + written);
            }
            done += n;
            progress.show(done, expected);
        }
        progress.end();
    }

    /** Bytes that are to come; 0 where only the end will tell. */
    private long expected() {
        return from.status().isRegular() ? Math.max(0, from.status().size() - from.position()) : 0;
    }
}
