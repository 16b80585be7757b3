package org.kexecfs.session;

import org.kexecfs.posix.FileId;

/**
 * Which session of this host has a file. LUO takes a file into one session only, and would say so at prepare; whoever links
 * it is to know at once.
 */
public interface Ownership {
    /** For a session that is alone. */
    Ownership ALONE = new Ownership() {
        @Override
        public boolean take(FileId file) {
            return true;
        }

        @Override
        public void release(FileId file) {}
    };

    /**
     * Takes a file for this session; again is nothing.
     *
     * @return false if another session has it
     */
    boolean take(FileId file);

    /** Gives it up. */
    void release(FileId file);
}
