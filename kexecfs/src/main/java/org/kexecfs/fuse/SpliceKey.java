package org.kexecfs.fuse;

import java.util.function.Supplier;
import jnr.ffi.Platform;
import jnr.ffi.Pointer;
import org.kexecfs.posix.ThreadKeys;

/**
 * The key of thread-specific data that libfuse 2 makes for each session: by it a thread finds its pipe for splice(2).
 *
 * <p>A process has 1,024 such keys, and so could have no more mounts than that. We read, write and never splice, so nobody
 * looks for a pipe; but there is no way to tell libfuse. So the key is given back at once, and libfuse's number of it becomes
 * one that no key has, which the functions of pthread_key_create(3) let pass: nothing is found by it, and its end is EINVAL.
 *
 * <p>The number is at a fixed place in struct fuse_ll (fuse_i.h of libfuse 2.9, whose last release is of 2019). If what is
 * there is not the key that must have been made, all stays as it is.
 */
final class SpliceKey {
    /** struct fuse_ll, pipe_key: behind a pthread_mutex_t, whose size is not the same everywhere. */
    private static final int PIPE_KEY = Platform.getNativePlatform().getCPU() == Platform.CPU.X86_64 ? 836 : 844;

    private static final int NO_KEY = -1;

    private SpliceKey() {}

    /**
     * Makes what libfuse makes, without that key.
     *
     * @param make calls fuse_new
     * @return what that returned; null if it failed
     */
    static synchronized Pointer leaveOut(LibFuse fuse, Supplier<Pointer> make) {
        int key = ThreadKeys.next();
        Pointer instance = make.get();
        if (instance != null) {
            Pointer session = fuse.fuse_session_data(fuse.fuse_get_session(instance));
            if (session.getInt(PIPE_KEY) == key) {
                session.putInt(PIPE_KEY, NO_KEY);
                ThreadKeys.delete(key);
            }
        }
        return instance;
    }
}
