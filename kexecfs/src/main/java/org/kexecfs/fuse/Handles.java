package org.kexecfs.fuse;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;

/** The open files of a mount, by the number that the kernel knows them by. */
final class Handles {
    private final Map<Long, Handle> open = new ConcurrentHashMap<>();
    private final AtomicLong last = new AtomicLong();

    long add(Handle handle) {
        long number = last.incrementAndGet();
        open.put(number, handle);
        return number;
    }

    /** The handle of a number: EBADF if it is none. */
    Handle get(long number) {
        Handle handle = open.get(number);
        if (handle == null) {
            throw new ErrnoException(Errno.EBADF, "no open file " + number);
        }
        return handle;
    }

    void remove(long number) {
        if (open.remove(number) instanceof Handle.OfEntry entry) {
            entry.file().close();
        }
    }

    void closeAll() {
        open.keySet().forEach(this::remove);
    }
}
