package org.kexecfs.session;

import jnr.constants.platform.linux.Errno;

/** How an entry fares; the words are those of {@code kexecfs.files}. */
public sealed interface Status {
    Status LINKED = new Word("linked");
    Status PRESERVED = new Word("preserved");
    Status RESTORED = new Word("restored");
    Status CLAIMED = new Word("claimed");
    Status MISSING = new Word("missing");

    /** A status that is one word. */
    record Word(String word) implements Status {
        @Override
        public String toString() {
            return word;
        }
    }

    /** It could not be restored, and LUO said this. */
    record Error(Errno errno) implements Status {
        @Override
        public String toString() {
            return "error " + errno.name();
        }
    }
}
