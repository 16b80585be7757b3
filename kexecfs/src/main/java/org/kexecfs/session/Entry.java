package org.kexecfs.session;

import java.util.Optional;
import org.kexecfs.manifest.Kind;
import org.kexecfs.manifest.Node;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.FileStatus;
import org.kexecfs.posix.Time;

/**
 * What a session knows of an entry beyond its manifest: the open file with its bytes, and how it fares.
 *
 * <p>Times of a file's bytes are the file's own, so that everyone who writes to the memory moves them; those of
 * a directory, and a change of attributes, are noted here. Guarded by the session's lock.
 */
final class Entry {
    private final long token;
    private final Fd file;
    private volatile Status status;
    private Time accessed;
    private Time modified;
    private Time changed;

    private Entry(Node node, Fd file, Status status) {
        this.token = node.token();
        this.file = file;
        this.status = status;
        this.accessed = node.accessed();
        this.modified = node.modified();
        this.changed = node.modified();
    }

    /** A file whose bytes are in {@code file}, which is the entry's to close. */
    static Entry file(Node node, Fd file, Status status) {
        return new Entry(node, file, status);
    }

    /** A directory. */
    static Entry directory(Node node) {
        return new Entry(node, null, Status.LINKED);
    }

    /** A file that could not be restored. */
    static Entry lost(Node node, Status status) {
        return new Entry(node, null, status);
    }

    long token() {
        return token;
    }

    /** The open file; empty for a directory and for what was not restored. */
    Optional<Fd> file() {
        return Optional.ofNullable(file);
    }

    Status status() {
        return status;
    }

    void status(Status newStatus) {
        status = newStatus;
    }

    /**
     * It has been opened or handed out since it was restored.
     *
     * @return whether that is for the first time
     */
    synchronized boolean claim() {
        boolean first = status == Status.RESTORED;
        if (first) {
            status = Status.CLAIMED;
        }
        return first;
    }

    /** Its attributes changed. */
    void touch() {
        changed = Time.now();
    }

    /** What is in this directory changed. */
    void touchContents(Time now) {
        changed = now;
        modified = now;
    }

    /** This directory's node as it is when what is in it changes. */
    Node touched(Node node, Time now) {
        return node.withTimes(accessed, now);
    }

    /** Times that were set. */
    void setTimes(Time newAccessed, Time newModified) {
        if (file != null) {
            file.setTimes(newAccessed, newModified);
        } else {
            accessed = newAccessed == null ? accessed : newAccessed;
            modified = newModified == null ? modified : newModified;
        }
        touch();
    }

    /** The node with the times as they are now. */
    Node withTimes(Node node) {
        if (file == null) {
            return node.withTimes(accessed, modified);
        }
        FileStatus status = file.status();
        return node.withTimes(status.accessed(), status.modified());
    }

    /** Gives a restored file the times that its manifest has; LUO keeps none. */
    static void restoreTimes(Node node, Fd file) {
        try {
            file.setTimes(node.accessed(), node.modified());
        } catch (ErrnoException e) {
            // Times are no reason to fail a restore: an unprivileged emulation does not own the file.
            return;
        }
    }

    Stat stat(Node node, long links) {
        if (file == null) {
            return new Stat(
                    token, node.kind(), node.mode(), node.uid(), node.gid(), links, 0, 0, accessed, modified, changed);
        }
        FileStatus s = file.status();
        Time latest = s.changed().compareTo(changed) > 0 ? s.changed() : changed;
        return new Stat(
                token,
                Kind.FILE,
                node.mode(),
                node.uid(),
                node.gid(),
                links,
                s.size(),
                s.blocks(),
                s.accessed(),
                s.modified(),
                latest);
    }

    /** Bytes in its file. */
    long size() {
        return file == null ? 0 : file.status().size();
    }

    void close() {
        if (file != null) {
            file.close();
        }
    }
}
