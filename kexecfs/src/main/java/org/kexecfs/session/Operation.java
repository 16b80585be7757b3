package org.kexecfs.session;

/** What a state allows or refuses: the columns of the table in {@link StateTable}. */
enum Operation {
    /** Hand every entry to LUO. */
    PREPARE,
    /** Take them all back. */
    CANCEL,
    /** Accept what was restored and end LUO's hold. */
    FINISH,
    /** Create, link, rename, mkdir, chmod, chown, utimens, setxattr. */
    NAMESPACE,
    /** Take a name away. */
    UNLINK,
    /** Make an entry longer or shorter. Bytes within its size may be written in every state. */
    RESIZE
}
