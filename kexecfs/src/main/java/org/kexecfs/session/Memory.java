package org.kexecfs.session;

import org.kexecfs.posix.Fd;

/** Where the bytes of a new entry live. */
@FunctionalInterface
public interface Memory {
    /**
     * An empty file of anonymous memory, open for reading and writing, of a kind that LUO preserves.
     *
     * @throws org.kexecfs.posix.ErrnoException ENOSPC past a limit, EMFILE, ENFILE, ENOMEM
     */
    Fd create();
}
