package org.kexecfs.fuse;

import java.util.Arrays;
import java.util.Optional;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;

/**
 * What a client of kexecfs.sock is told: doc/protocol.md, version 1.
 *
 * @param text the message
 * @param file goes with it; ours, to be closed when it is sent
 */
record SocketAnswer(byte[] text, Optional<Fd> file) implements AutoCloseable {
    private static final int LONGEST_ERROR = 1024;

    /** It was done. */
    static SocketAnswer ok() {
        return new SocketAnswer(Fd.utf8("1 ok"), Optional.empty());
    }

    /** It was done, and this is what was asked for. */
    static SocketAnswer ok(Fd file) {
        return new SocketAnswer(Fd.utf8("1 ok"), Optional.of(file));
    }

    /** It was not done. */
    static SocketAnswer error(ErrnoException e) {
        byte[] text = Fd.utf8("1 error " + e.errno().name() + " " + e.getMessage());
        return new SocketAnswer(Arrays.copyOf(text, Math.min(text.length, LONGEST_ERROR)), Optional.empty());
    }

    @Override
    public void close() {
        file.ifPresent(Fd::close);
    }
}
