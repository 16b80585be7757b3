package org.kexecfs.tool;

import java.io.PrintWriter;
import java.time.Duration;
import java.util.Locale;
import org.kexecfs.posix.Fd;

/** How far a copy is, on one line of a terminal. It is shown only once it takes longer than people like to wait. */
final class Progress {
    private static final long FIRST = Duration.ofMillis(500).toNanos();
    private static final long BETWEEN = Duration.ofMillis(100).toNanos();
    private static final String CLEAR = "\r\033[K";

    private final PrintWriter terminal;
    private long next = System.nanoTime() + FIRST;
    private boolean shown;

    private Progress(PrintWriter terminal) {
        this.terminal = terminal;
    }

    /** Shows it on standard error, if that is a terminal. */
    static Progress to(PrintWriter err) {
        try (Fd stderr = Fd.dupOf(2)) {
            return new Progress(stderr.isTerminal() ? err : null);
        }
    }

    /**
     * Shows it, if it is time to.
     *
     * @param done bytes copied
     * @param expected bytes in all; 0 if that is not known
     */
    void show(long done, long expected) {
        if (terminal == null || System.nanoTime() < next) {
            return;
        }
        String of =
                expected > 0 ? " of " + mebibytes(expected) + ", " + Math.min(100, done * 100 / expected) + " %" : "";
        terminal.print(CLEAR + mebibytes(done) + of);
        terminal.flush();
        next = System.nanoTime() + BETWEEN;
        shown = true;
    }

    private static String mebibytes(long bytes) {
        return String.format(Locale.ROOT, "%.1f MiB", bytes / 1048576.0);
    }

    /** Takes the line away again. */
    void end() {
        if (shown) {
            terminal.print(CLEAR);
            terminal.flush();
        }
    }
}
