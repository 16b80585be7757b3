package org.kexecfs.manifest;

/** What an entry is. */
public enum Kind {
    /** A file: LUO keeps its contents under the entry's token. */
    FILE,
    /** A directory: LUO has nothing of it, it is in the manifest alone. */
    DIRECTORY
}
