package org.kexecfs.luo;

import java.nio.file.Path;
import java.util.Optional;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.FileId;

/**
 * A file that was preserved in the emulation: where the kexec finds it.
 *
 * @param fd LUO's descriptor of it, in the process that opened the session
 * @param id which file it is
 * @param size bytes when it was preserved, which is what it is frozen at
 */
record OutgoingFile(int fd, FileId id, long size) {
    static OutgoingFile read(Path file) {
        Facts facts = Facts.read(file);
        return new OutgoingFile(
                (int) facts.get("fd"), new FileId(facts.get("device"), facts.get("inode")), facts.get("size"));
    }

    /** Which file that is, if {@code file} is such a record; it may be anything else of a session, of any size. */
    static Optional<FileId> idIn(Path file) {
        try {
            Facts facts = Facts.read(file);
            return Optional.of(new FileId(facts.get("device"), facts.get("inode")));
        } catch (ErrnoException e) {
            return Optional.empty();
        }
    }

    void write(Path file) {
        Facts.of("fd", fd, "device", id.device(), "inode", id.inode(), "size", size)
                .write(file)
                .close();
    }
}
