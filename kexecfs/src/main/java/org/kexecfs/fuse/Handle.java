package org.kexecfs.fuse;

import java.util.concurrent.locks.ReentrantLock;
import jnr.ffi.Pointer;
import org.kexecfs.session.OpenFile;

/** What an open file in the mount is: its number is in every request about it. */
sealed interface Handle {
    /** An entry. */
    record OfEntry(OpenFile file) implements Handle {}

    /** A directory, as its path was when it was opened. */
    record OfDirectory(Target target) implements Handle {}

    /**
     * A control file. Its content is taken when it is read from the start, so that what is read in pieces is of one
     * moment, and a reader that rewinds sees what is new.
     */
    final class OfControl implements Handle {
        private final ControlFile file;
        private final ControlFile.Context context;
        private final ReentrantLock lock = new ReentrantLock();
        private byte[] content = {};

        OfControl(ControlFile file, ControlFile.Context context) {
            this.file = file;
            this.context = context;
        }

        ControlFile file() {
            return file;
        }

        int read(Pointer buffer, long size, long offset) {
            lock.lock();
            try {
                if (offset == 0) {
                    content = file.read(context);
                }
                int length = (int) Math.max(0, Math.min(size, content.length - offset));
                buffer.put(0, content, (int) Math.min(offset, content.length), length);
                return length;
            } finally {
                lock.unlock();
            }
        }
    }
}
