package org.kexecfs.session;

import org.kexecfs.posix.ErrnoException;

/** LUO refused one entry of many. */
final class EntryRefused extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final long token;
    private final ErrnoException reason;

    EntryRefused(long token, ErrnoException reason) {
        super(reason);
        this.token = token;
        this.reason = reason;
    }

    /** For who wants all entries or none. */
    static void raise(EntryRefused refused) {
        throw refused;
    }

    long token() {
        return token;
    }

    ErrnoException reason() {
        return reason;
    }
}
