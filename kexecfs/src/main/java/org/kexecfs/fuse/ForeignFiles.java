package org.kexecfs.fuse;

import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;

/**
 * Open files of others, on their way back from us.
 *
 * <p>Closing memory never waits. Closing another file may, for ever if it is in a filesystem whose server does not answer
 * (FUSE_FLUSH), and whoever serves requests must not wait for that. So another thread closes it, and a user who has several
 * such threads waiting is given no further one.
 */
final class ForeignFiles {
    private static final int MOST_OF_ONE_USER = 8;

    private static final Map<Integer, Integer> CLOSING = new ConcurrentHashMap<>();

    private ForeignFiles() {}

    /**
     * Returns if another open file of a user's may be taken.
     *
     * @throws ErrnoException EMFILE if too many of those that were taken cannot be closed
     */
    static void requireRoom(int uid) {
        if (CLOSING.getOrDefault(uid, 0) >= MOST_OF_ONE_USER) {
            throw new ErrnoException(Errno.EMFILE, "files that user " + uid + " gave before cannot be closed yet");
        }
    }

    /** Closes a file without waiting. */
    static void close(Fd file, int uid) {
        close(List.of(file), uid, () -> {});
    }

    /**
     * Closes files without waiting.
     *
     * @param uid who gave them
     * @param then what to do when that is done
     */
    static void close(List<Fd> files, int uid, Runnable then) {
        if (files.stream().allMatch(ForeignFiles::isMemory)) {
            files.forEach(Fd::close);
            then.run();
            return;
        }
        CLOSING.merge(uid, 1, Integer::sum);
        Thread closer = new Thread(() -> {
            files.forEach(Fd::close);
            CLOSING.computeIfPresent(uid, (u, closing) -> closing == 1 ? null : closing - 1);
            then.run();
        });
        closer.setName("kexecfs-close");
        closer.setDaemon(true);
        closer.start();
    }

    private static boolean isMemory(Fd file) {
        try {
            file.seals();
            return true;
        } catch (ErrnoException e) {
            return false;
        }
    }
}
