package org.kexecfs.fuse;

import jnr.constants.platform.linux.Errno;
import org.kexecfs.manifest.Name;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.session.EntryPath;
import org.kexecfs.session.Session;

/**
 * What open(2) and link(2) check on the way to an entry, for who comes another way. To be called, with what it permits, in
 * {@link Session#atomically}: or a directory could be renamed in between.
 *
 * @param session what is asked for
 * @param who asks
 */
record AccessCheck(Session session, Credentials who) {
    /**
     * Returns if {@code who} may make {@code path}: search the directories on the way, and write to the last.
     *
     * @throws ErrnoException EACCES if not; ENOENT, ENOTDIR
     */
    void create(EntryPath path) {
        search(path);
        require(Credentials.WRITE | Credentials.SEARCH, path.parent());
    }

    /**
     * Returns if {@code who} may open {@code path}.
     *
     * @param wanted bits of {@link Credentials#READ}, {@link Credentials#WRITE}
     * @throws ErrnoException EACCES if not; ENOENT, ENOTDIR
     */
    void open(EntryPath path, int wanted) {
        search(path);
        require(wanted, path);
    }

    private void search(EntryPath path) {
        EntryPath directory = EntryPath.ROOT;
        for (Name name : path.names()) {
            require(Credentials.SEARCH, directory);
            directory = directory.child(name);
        }
    }

    private void require(int wanted, EntryPath path) {
        if (!who.may(wanted, Permissions.of(session.stat(path)))) {
            throw new ErrnoException(Errno.EACCES, path.isRoot() ? "the root" : path.toString());
        }
    }
}
