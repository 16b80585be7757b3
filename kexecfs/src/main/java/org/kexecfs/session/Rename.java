package org.kexecfs.session;

/** What a rename does with an entry that has the new name already (renameat2(2)). */
public enum Rename {
    /** It goes. */
    REPLACE,
    /** The rename fails. */
    NOREPLACE,
    /** It gets the old name. */
    EXCHANGE
}
