package org.kexecfs.session;

import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.kexecfs.keep.Shelf;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What a session has on its shelf, so that it outlives this process: {@code manifest.N}, {@code entry.TOKEN} and {@code
 * progress.N}. (LUO's sessions are there by {@link org.kexecfs.keep.KeptLiveUpdate}.) A larger N is the newer one: it is parked
 * before the older is released.
 *
 * <p>The order holds it together: an entry's file is here before the manifest says that there is such an entry, and until
 * after the manifest says that there is none; the first progress is the last that is parked when a session begins.
 * So where there is a progress, everything is.
 *
 * <p>Guarded by the session's lock, but for {@link #claimed}.
 */
final class Kept {
    private static final Logger log = LoggerFactory.getLogger(Kept.class);

    private static final String MANIFEST = "manifest.";
    private static final String ENTRY = "entry.";
    private static final String PROGRESS = "progress.";

    private final Shelf shelf;

    /** Numbers of what is parked now, 0 if nothing is; and the greatest that was used. */
    private long manifest;

    private long progressNumber;
    private long last;

    /** The file that is parked as progress; null if none is. */
    private Fd progress;

    private long progressLength;

    /**
     * A session as the process before left it; its descriptors are the reader's to close.
     *
     * @param progress how far it was
     * @param manifest its manifest
     * @param files of its entries, by token
     */
    record Left(Progress progress, Fd manifest, Map<Long, Fd> files) {}

    Kept(Shelf shelf) {
        this.shelf = shelf;
    }

    /**
     * What is on the shelf, if it is a whole session and of this kernel; otherwise it is cleared.
     *
     * @param kernel that runs
     */
    Optional<Left> left(String kernel) {
        Map<String, Fd> found = shelf.found();
        Optional<Map.Entry<Long, Fd>> lastProgress = newest(found, PROGRESS);
        Optional<Map.Entry<Long, Fd>> lastManifest = newest(found, MANIFEST);
        Optional<Progress> read = lastProgress
                .flatMap(entry -> Progress.read(entry.getValue()))
                .filter(what -> what.kernel().equals(kernel));
        if (read.isEmpty() || lastManifest.isEmpty()) {
            found.keySet().stream().filter(Kept::isOurs).forEach(what -> drop(what, found.get(what)));
            return Optional.empty();
        }
        progress = lastProgress.get().getValue();
        progressLength = progress.status().size();
        progressNumber = lastProgress.get().getKey();
        manifest = lastManifest.get().getKey();
        last = Math.max(progressNumber, manifest);
        Map<Long, Fd> files = new HashMap<>();
        found.forEach((what, fd) -> {
            if (what.startsWith(ENTRY)) {
                files.put(number(what, ENTRY), fd);
            } else if (isOurs(what) && !what.equals(MANIFEST + manifest) && !what.equals(PROGRESS + progressNumber)) {
                drop(what, fd);
            }
        });
        return Optional.of(new Left(read.get(), lastManifest.get().getValue(), files));
    }

    private static boolean isOurs(String what) {
        return what.startsWith(MANIFEST) || what.startsWith(ENTRY) || what.startsWith(PROGRESS);
    }

    private static Optional<Map.Entry<Long, Fd>> newest(Map<String, Fd> found, String prefix) {
        TreeMap<Long, Fd> all = new TreeMap<>();
        found.forEach((what, fd) -> {
            if (what.startsWith(prefix)) {
                all.put(number(what, prefix), fd);
            }
        });
        return Optional.ofNullable(all.lastEntry());
    }

    private static long number(String what, String prefix) {
        return Long.parseLong(what.substring(prefix.length()));
    }

    /** An entry's file that was found, and that no entry has. */
    void drop(long token, Fd file) {
        drop(ENTRY + token, file);
    }

    private void drop(String what, Fd file) {
        shelf.release(what);
        file.close();
    }

    /** Keeps entries' files: before the manifest says that there are such entries. */
    void entries(Map<Long, Fd> files) {
        Map<String, Fd> named = new HashMap<>();
        files.forEach((token, file) -> named.put(ENTRY + token, file));
        shelf.park(named);
    }

    /** Keeps an entry's file: before the manifest says that there is such an entry. */
    void entry(long token, Fd file) {
        shelf.park(ENTRY + token, file);
    }

    /** Keeps an entry's file no longer: after the manifest said that there is no such entry, and before it is closed. */
    void forget(long token) {
        shelf.release(ENTRY + token);
    }

    /**
     * Keeps the manifest, from now on this one: before anything is recorded in it that is not in the one before.
     *
     * @param then what is to be done when it is kept; if that fails, all is as it was
     */
    void manifest(Fd memfd, Runnable then) {
        last++;
        long fresh = last;
        shelf.park(MANIFEST + fresh, memfd);
        try {
            then.run();
        } catch (RuntimeException e) {
            shelf.release(MANIFEST + fresh);
            throw e;
        }
        if (manifest != 0) {
            shelf.release(MANIFEST + manifest);
        }
        manifest = fresh;
    }

    /** The session has come as far as this. */
    void progress(Progress reached) {
        Fd file = Fd.memfd("kexecfs-progress");
        try {
            byte[] bytes = reached.bytes();
            file.pwrite(bytes, 0);
            last++;
            shelf.park(PROGRESS + last, file);
            Fd before = progress;
            if (before != null) {
                drop(PROGRESS + progressNumber, before);
            }
            progress = file;
            progressNumber = last;
            progressLength = bytes.length;
        } catch (ErrnoException e) {
            file.close();
            throw e;
        }
    }

    /** LUO has finished: from now on a finish is completed, whatever happens. */
    void accepting(Finish how) {
        Optional.ofNullable(progress).flatMap(Progress::read).ifPresent(now -> progress(now.accepting(how)));
    }

    /** A restored entry was opened. Safe for use by several threads. */
    synchronized void claimed(long token) {
        if (progress == null) {
            return;
        }
        try {
            byte[] line = Progress.claim(token);
            progress.pwrite(line, progressLength);
            progressLength += line.length;
        } catch (ErrnoException e) {
            log.warn("after a crash entry {} will be unclaimed again: {}", token, e.getMessage());
        }
    }

    /** The session ends: it is not to be gone on with. Its entries are still to be forgotten, each before it is closed. */
    void clear() {
        if (progress != null) {
            drop(PROGRESS + progressNumber, progress);
            progress = null;
        }
        if (manifest != 0) {
            shelf.release(MANIFEST + manifest);
            manifest = 0;
        }
    }
}
