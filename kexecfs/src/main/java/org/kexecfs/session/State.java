package org.kexecfs.session;

import java.util.Locale;

/** Where a session is in its life; the word is what {@code kexecfs.state} reads. */
public enum State {
    /** Nothing is held by LUO; entries come and go. */
    NORMAL,
    /** LUO holds every entry: a kexec now leads to {@link #UPDATED} in the next kernel. */
    PREPARED,
    /** After a kexec: everything was restored, and nobody has said yet that it is good. */
    UPDATED,
    /** After a kexec: not everything could be restored or understood; what could is there. */
    FAILED;

    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
