package org.kexecfs.fuse;

import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import jnr.constants.platform.linux.Errno;
import jnr.ffi.Pointer;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.ProcessStatus;
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
        private final Optional<ProcessStatus> opener;
        private byte[] content = {};

        /**
         * @param opener who opened it, where a write to it is about who writes; else empty
         */
        OfControl(ControlFile file, ControlFile.Context context, Optional<ProcessStatus> opener) {
            this.file = file;
            this.context = context;
            this.opener = opener;
        }

        /**
         * Returns if {@code writer} is no more than who opened this file. Otherwise a set-uid program, run with this as its
         * standard output, could be made to name one of its own open files.
         *
         * @throws ErrnoException EPERM if it may be more
         */
        void requireNoMoreThanOpener(ProcessStatus writer) {
            boolean same = opener.isPresent()
                    && opener.get().uids().equals(writer.uids())
                    && opener.get().gids().equals(writer.gids())
                    && (writer.permitted() & ~opener.get().permitted()) == 0;
            if (!same) {
                throw new ErrnoException(Errno.EPERM, file.fileName() + " was opened by somebody else than who writes");
            }
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
