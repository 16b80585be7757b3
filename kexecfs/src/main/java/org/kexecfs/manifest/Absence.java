package org.kexecfs.manifest;

/**
 * What it means if the next kernel does not have an entry's file: where files are handed to LUO one by one, a kexec may
 * come when LUO does not have one, and only this tells that from a loss. It is recorded before LUO lets a file go, and
 * taken back after LUO has it; so a file that is there is good, whatever is recorded here.
 */
public enum Absence {
    /** LUO had the file, and has lost it. */
    DAMAGE,
    /** LUO never had it: it was new, and nobody had closed it yet. */
    NEW,
    /** LUO had given it back, for as long as its size was to change. */
    TAKEN_BACK
}
