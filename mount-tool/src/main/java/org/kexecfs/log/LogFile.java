package org.kexecfs.log;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;

/**
 * A log that does not grow for ever: what would make it longer than it may be begins a new one, and the one before is {@code
 * FILE.old}. Each write is to be a whole message.
 */
public final class LogFile extends OutputStream {
    private final Path file;
    private final long most;
    private OutputStream out;
    private long length;

    /**
     * Adds to a file. It is opened when there is something to say, and again if that failed: who has something to say goes on
     * all the same.
     *
     * @param file made if need be
     * @param most bytes that it may have
     */
    LogFile(Path file, long most) {
        this.file = file;
        this.most = most;
    }

    /**
     * Makes room for another: {@code FILE} becomes {@code FILE.old}. Nothing, if there is none.
     *
     * @throws IOException if it cannot be
     */
    public static void setAside(Path file) throws IOException {
        if (Files.exists(file)) {
            Files.move(file, file.resolveSibling(file.getFileName() + ".old"), StandardCopyOption.REPLACE_EXISTING);
        }
    }

    @Override
    public void write(int single) throws IOException {
        write(new byte[] {(byte) single}, 0, 1);
    }

    @Override
    public synchronized void write(byte[] bytes, int offset, int count) throws IOException {
        open();
        if (length > 0 && length + count > most) {
            close();
            setAside(file);
            open();
        }
        out.write(bytes, offset, count);
        length += count;
    }

    private void open() throws IOException {
        if (out == null) {
            out = Files.newOutputStream(file, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
            length = Files.size(file);
        }
    }

    @Override
    public synchronized void close() throws IOException {
        if (out != null) {
            out.close();
            out = null;
        }
    }
}
