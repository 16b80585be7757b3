package org.kexecfs.session;

/** What becomes of restored files that nobody has claimed when an update is finished. */
public enum Finish {
    /** They stay. */
    KEEP,
    /** The update cannot be finished while there is one. */
    STRICT,
    /** They are dropped, as LUO drops what was not retrieved. */
    RELEASE,
    /** They stay, and so does what requires a file that was not restored: on the way to a kexec nobody is there to decide. */
    LEAVE
}
