package org.kexecfs.session;

/** What becomes of restored files that nobody has claimed when an update is finished. */
public enum Finish {
    /** They stay. */
    KEEP,
    /** The update cannot be finished while there is one. */
    STRICT,
    /** They are dropped, as LUO drops what was not retrieved. */
    RELEASE
}
