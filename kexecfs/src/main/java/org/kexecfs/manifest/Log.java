package org.kexecfs.manifest;

import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;

/**
 * The writing end of a log. What is written behind the committed bytes counts for nothing, until a commit word takes it
 * in at once: so a kill, or a write that fails, leaves the log as it was or with all of it.
 */
final class Log {
    private final Fd memfd;
    private final Pwrite memory;
    private long committed;
    private long written;
    private boolean settled;

    /**
     * A log that is there.
     *
     * @param committed bytes of it that count; 0 for an empty file
     */
    Log(Fd memfd, Pwrite memory, long committed) {
        this.memfd = memfd;
        this.memory = memory;
        this.committed = committed;
        this.written = committed;
    }

    /** Writes the start of an empty file, and frames behind it, without committing them. */
    void begin(Frames frames) {
        memory.pwrite(Start.none(), 0);
        written = Start.END;
        settled = true;
        write(frames);
    }

    /** Writes frames behind what was written, without committing them. */
    void write(Frames frames) {
        fits(written + frames.length());
        memory.pwrite(frames.toArray(), written);
        written += frames.length();
    }

    /** Makes all that was written count. */
    void commit() {
        byte[] word = Start.word(written);
        memory.pwrite(word, Start.WORDS[0]);
        committed = written;
        memory.pwrite(word, Start.WORDS[1]);
    }

    /** Writes frames and makes them count; if that fails, what counted before still does. */
    void append(Frames frames) {
        try {
            settle();
            write(frames);
            commit();
        } finally {
            written = committed;
        }
    }

    /** Has the second word say what counts, before the first is written: a crash may have come between the two. */
    private void settle() {
        if (!settled) {
            memory.pwrite(Start.word(committed), Start.WORDS[1]);
            settled = true;
        }
    }

    /** Grows the file, so that {@code bytes} more fit without growing it. */
    void reserve(long bytes) {
        long wanted = committed + bytes;
        fits(wanted);
        if (memfd.status().size() < wanted) {
            memfd.truncate(wanted);
        }
    }

    /** How many bytes more fit without growing the file. */
    long room() {
        return memfd.status().size() - committed;
    }

    /** How many bytes count. */
    long length() {
        return committed;
    }

    private static void fits(long length) {
        if (length > Bounds.LOG) {
            throw new ErrnoException(
                    Errno.ENOSPC, "a manifest of " + length + " bytes, and " + Bounds.LOG + " are the most");
        }
    }
}
