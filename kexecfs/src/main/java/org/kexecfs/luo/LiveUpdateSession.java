package org.kexecfs.luo;

import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;

/**
 * A LUO session, outgoing or incoming; {@link LiveUpdate} tells its life. Its calls are the ioctls of a session's
 * descriptor, and so are their errnos (kernel/liveupdate/luo_session.c, luo_file.c and mm/memfd_luo.c).
 *
 * <p>Every call gives EBADF once the session was closed here, and, on the emulation only, ENODEV once a kexec took
 * place: on a real kernel nobody is left to call. Safe for use by several threads.
 */
public interface LiveUpdateSession extends AutoCloseable {
    /** The session's name (GET_NAME where the kernel has it: 7.2 and later). */
    String name();

    /**
     * Hands a file to LUO (PRESERVE_FD). LUO takes a reference of its own: {@code file} may be closed afterwards.
     * From here on the file's size is frozen: ftruncate(2), fallocate(2) and writes past the end give EPERM
     * (on the emulation they succeed, and the kexec gives EPERM instead). Its holes are filled with zeros. Writes
     * within the size go on, and are carried over up to the kexec.
     *
     * @param file a memfd, or a tmpfs file with no name; identified by its inode, not by the descriptor
     * @param token names the file in this session; any 64 bits, unsigned
     * @throws org.kexecfs.posix.ErrnoException in this order: EBADF {@code file} was closed; EINVAL an incoming
     *     session; EEXIST the token is used in this session; EBADF opened with O_PATH; ENOENT no handler for this type of file (a pipe,
     *     a socket, a file on disk, hugetlb memory, a tmpfs file that has a name); EBUSY the file is preserved already,
     *     or was retrieved, in this session or another that is not finished; EOPNOTSUPP seals that LUO does not know;
     *     EFBIG 2^32 pages or more; ENOMEM
     */
    void preserve(Fd file, long token);

    /**
     * Gets a file back (RETRIEVE_FD), in any order; a second time, another descriptor of the same open file.
     * Contents, size, position and seals are as before; owner, mode, times, xattrs and name are not. The size
     * can change again. The file cannot be preserved again before {@link #finish} (EBUSY).
     *
     * @param token what it was preserved under
     * @return a descriptor, the caller's to close
     * @throws org.kexecfs.posix.ErrnoException EINVAL an outgoing session; ENOENT no such token, or the session was
     *     finished; ENOMEM, EIO it cannot be restored, and every further call for this token gives the same; EMFILE
     */
    Fd retrieve(long token);

    /**
     * Ends LUO's hold on this incoming session (FINISH): retrieved files are free to be preserved again, and what was
     * not retrieved is freed for good. A second time is nothing.
     *
     * @throws org.kexecfs.posix.ErrnoException EINVAL an outgoing session; EBUSY a file's handler says that it cannot
     *     be finished yet: then nothing was
     */
    void finish();

    /** Whether it is an incoming session: it was retrieved, and not created. */
    default boolean isIncoming() {
        return Adoption.answer(this, 0) == Errno.EINVAL;
    }

    /**
     * Whether a file was preserved under a token.
     *
     * @throws org.kexecfs.posix.ErrnoException EINVAL an incoming session: only retrieving tells
     */
    default boolean holds(long token) {
        Errno answer = Adoption.answer(this, token);
        if (answer == Errno.EINVAL) {
            throw new ErrnoException(Errno.EINVAL, this + " is incoming");
        }
        return answer == Errno.EEXIST;
    }

    /**
     * The session's own descriptor, which stays this object's to close. The session lives as long as any duplicate of
     * it: that is how it can outlive this process.
     */
    Fd fd();

    /**
     * Closes the descriptor. If it was the session's last: an outgoing session lets go of all its files and of its
     * name, an incoming one is finished. Again is nothing.
     */
    @Override
    void close();
}
