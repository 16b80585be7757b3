package org.kexecfs.luo;

import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;

/**
 * What can be asked of a session that somebody else opened, without doing anything to it. LUO has no request for it; but
 * PRESERVE_FD says what it would have needed to know before it looks at the file, and a path is no file: EINVAL from an
 * incoming session, EEXIST if the token is used, EBADF at last (kernel/liveupdate/luo_session.c, luo_file.c).
 */
final class Adoption {
    private Adoption() {}

    /** What a session answers to a token and no file. */
    static Errno answer(LiveUpdateSession session, long token) {
        try (Fd nothing = Fd.openDirectory("/")) {
            session.preserve(nothing, token);
            throw new AssertionError("LUO preserved a path");
        } catch (ErrnoException e) {
            if (e.is(Errno.EINVAL, Errno.EEXIST, Errno.EBADF)) {
                return e.errno();
            }
            throw e;
        }
    }
}
