package org.kexecfs.fuse;

import org.kexecfs.mount.MountOptions;
import org.kexecfs.mount.Nowhere;
import org.kexecfs.posix.Fd;

/**
 * A session on a mount that is nowhere: in no mount table, reached by descriptors only, as {@code /proc/self/fd/N/NAME} or
 * with openat(2).
 *
 * <p>Life cycle:
 *
 * <ol>
 *   <li>{@link #mount}: it is served, and {@link #root} is the only descriptor of it.
 *   <li>The caller hands that to others, who inherit it or get it over a socket (SCM_RIGHTS), and closes its own.
 *   <li>The last descriptor of the root, or of a file or directory in it, is closed, in whichever process that is, and no
 *       working directory or mapping is in it: the session ends by itself, and {@link #awaitEnd} returns.
 * </ol>
 */
public final class PrivateMount implements AutoCloseable {
    private final ServedMount served;

    private PrivateMount(ServedMount served) {
        this.served = served;
    }

    /**
     * Makes a mount of a session, and serves it: see {@link KexecFsMount#mount} for arguments and errors.
     *
     * @return when it is there
     */
    public static PrivateMount mount(String name, MountOptions options) {
        return new PrivateMount(ServedMount.start(name, new Nowhere(), options));
    }

    /** The root directory, opened as a path (O_PATH): the caller's to close, or the session does not end. */
    public Fd root() {
        return served.root();
    }

    /** Waits until nobody has the mount any more; the session has ended then, too. */
    public void awaitEnd() throws InterruptedException {
        served.awaitEnd();
    }

    /**
     * Closes {@link #root}, and waits for the end of the session. Again is nothing.
     *
     * <p>Others who have the mount are waited for, but not for ever: after a few seconds this returns, and they are served
     * until the process ends.
     */
    @Override
    public void close() {
        served.root().close();
        served.close();
    }
}
