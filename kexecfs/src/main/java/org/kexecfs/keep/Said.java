package org.kexecfs.keep;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Optional;

/**
 * A message between a daemon and its keeper: a word, and, after a space, what it is about. doc/keeper.md describes each.
 *
 * @param word what is said
 * @param about a name, a number or words; may be empty
 */
record Said(Word word, String about) {
    /** Bytes that a message may have. */
    static final int LONGEST = 8192;

    /** What can be said. */
    enum Word {
        /** Daemon: what do you have? */
        HELLO,
        /** Keeper: so many files, which follow, and so many at most. */
        HOLDS,
        /** Keeper: the file of this name, with its descriptor. */
        FILE,
        /** Daemon: hold this, with its descriptor. */
        PARK,
        /** Keeper: what came under that name had no descriptor, so it is not held. */
        LOST,
        /** Daemon: retrieve a session of LUO, and hold it. A name, a LUO and a session's name, a line each. */
        RETRIEVE,
        /** Keeper: it could not be retrieved. An errno, and words. */
        FAILED,
        /** Daemon: hold this no longer. */
        RELEASE,
        /** Daemon: should I end, start this, a word of the command a line; nothing: do not. */
        RESTART,
        /** Daemon: tell me when you have done all this. */
        SYNC,
        /** Keeper: all that was said before this SYNC is done. */
        SYNCED,
        /** Keeper: another daemon is served. */
        BUSY,
        /** Keeper: you may not have this. */
        REFUSED
    }

    static Said of(Word word, Object about) {
        return new Said(word, about.toString());
    }

    byte[] bytes() {
        return (word + " " + about).getBytes(StandardCharsets.UTF_8);
    }

    /** What a message says; empty if it is none of these. */
    static Optional<Said> read(byte[] message) {
        String text = new String(message, StandardCharsets.UTF_8);
        int space = text.indexOf(' ');
        return Arrays.stream(Word.values())
                .filter(word -> space > 0 && word.name().equals(text.substring(0, space)))
                .findFirst()
                .map(word -> new Said(word, text.substring(space + 1)));
    }
}
