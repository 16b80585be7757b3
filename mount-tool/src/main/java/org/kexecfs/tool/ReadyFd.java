package org.kexecfs.tool;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Optional;
import org.kexecfs.posix.Fd;

/**
 * Who starts a server in the background waits at a descriptor that the server inherits: for a line with the exit code, 0 once
 * it serves, and for the descriptor's end.
 *
 * @param number the descriptor; empty if nobody waits
 */
record ReadyFd(Optional<Integer> number) {
    static final String DESCRIPTION =
            "Write 0 and a newline to the inherited file descriptor N and close it, once it serves; on failure the exit"
                    + " code. For who starts this in the background.";

    /** It serves; the descriptor is closed. */
    void serving() {
        answer(Exit.OK);
        number.ifPresent(fd -> Fd.own(fd).close());
    }

    /** It failed. The descriptor stays open, so that whoever waits for its end finds the error printed. */
    void failed(int exit) {
        answer(exit);
    }

    private void answer(int exit) {
        number.ifPresent(fd -> {
            try {
                // By its path: Java has no stream for an inherited descriptor.
                byte[] line = (exit + "\n").getBytes(StandardCharsets.US_ASCII);
                Files.write(Path.of("/proc/self/fd/" + fd), line, StandardOpenOption.WRITE);
            } catch (IOException e) {
                throw new UncheckedIOException("cannot write to fd " + fd, e);
            }
        });
    }
}
