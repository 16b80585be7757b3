package org.kexecfs.fuse;

import java.util.Arrays;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.session.EntryPath;
import org.kexecfs.session.Session;

/**
 * Preserve an open file of the caller's under a name: what is written to kexecfs.preserve, and what its ioctl says.
 *
 * @param number of the caller's descriptor
 * @param path the name
 */
record PreserveCommand(int number, EntryPath path) {
    /** The longest that can be written: a number, a space, a path (PATH_MAX), a newline. */
    static final int LONGEST = 9 + 1 + 4096 + 1;

    private static final int DIGITS = 9;

    /** Permission bits of an entry that was an open file; as for link(2). */
    static final int MODE = 0600;

    /**
     * @param number not negative
     * @param path not the root
     * @throws ErrnoException EINVAL otherwise
     */
    PreserveCommand {
        if (number < 0 || path.isRoot()) {
            throw malformed();
        }
    }

    /**
     * Reads {@code FD NAME}: a decimal number, one space, and the name, which is all the rest but for one newline at the end.
     *
     * @throws ErrnoException EINVAL if it is something else, ENAMETOOLONG for a name of more than 255 bytes
     */
    static PreserveCommand parse(byte[] text) {
        int space = 0;
        int number = 0;
        while (space < text.length && space < DIGITS && text[space] >= '0' && text[space] <= '9') {
            number = number * 10 + text[space++] - '0';
        }
        if (space == 0 || space == text.length || text[space] != ' ' || space > 1 && text[0] == '0') {
            throw malformed();
        }
        int end = text[text.length - 1] == '\n' ? text.length - 1 : text.length;
        return new PreserveCommand(number, EntryPath.of(Arrays.copyOfRange(text, space + 1, Math.max(space + 1, end))));
    }

    private static ErrnoException malformed() {
        return new ErrnoException(Errno.EINVAL, "kexecfs.preserve takes FD NAME");
    }

    /**
     * Does it.
     *
     * @param caller whose descriptor it is
     * @throws ErrnoException ENOENT if it has none of that number; EACCES if it may not make the name; and as {@link
     *     Session#adopt}
     */
    void run(Session session, Caller caller) {
        int self = Integer.parseInt(LinkSources.self(caller));
        LinkSources.Source owner = LinkSources.stat(caller, self, number);
        AccessCheck access = new AccessCheck(session, Credentials.of(caller));
        Fd file = LinkSources.open(caller, self, number);
        try {
            session.atomically(() -> {
                access.create(path);
                session.adopt(file, path, MODE, owner.uid(), owner.gid());
                return null;
            });
        } finally {
            ForeignFiles.close(file, caller.uid());
        }
    }
}
