package org.kexecfs.posix;

import static org.kexecfs.posix.Libc.C;

import jnr.constants.platform.linux.Errno;
import jnr.ffi.Pointer;

/** The keys of thread-specific data, of which a process has 1,024 (pthread_key_create(3)). */
public final class ThreadKeys {
    private ThreadKeys() {}

    /**
     * The key that is made next, if no other thread makes one before.
     *
     * @throws ErrnoException EAGAIN if there is none left
     */
    public static int next() {
        Pointer key = Fd.allocate(4);
        int errno = C.pthread_key_create(key, null);
        if (errno != 0) {
            throw new ErrnoException(ErrnoException.errno(errno), "pthread_key_create");
        }
        delete(key.getInt(0));
        return key.getInt(0);
    }

    /** pthread_key_delete(3): EINVAL if it is none. */
    public static void delete(int key) {
        if (C.pthread_key_delete(key) != 0) {
            throw new ErrnoException(Errno.EINVAL, "pthread_key_delete(" + key + ")");
        }
    }
}
