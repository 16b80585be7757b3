package org.kexecfs.manifest;

import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;

/**
 * One step of a session's history. The state of a session is all its changes, applied in order to a root directory; the
 * same code applies them while the session lives and when it is recovered.
 *
 * <p>Each checks only itself, with EINVAL. What takes the tree to see (a link to an entry that is not there, a parent
 * that is no directory, a directory below itself) is seen by whoever applies it: see {@link BrokenChange}.
 */
public sealed interface Change {
    /** The highest token that this change shows to be used; 0 if none. */
    default long used() {
        return switch (this) {
            case Put(Node node) -> node.token();
            case Remove(long token) -> token;
            case Link(long parent, Name _, long token) -> Math.max(parent, token);
            case Unlink(long parent, Name _) -> parent;
            case Cycle _ -> 0;
        };
    }

    /** An entry is new, or is now as {@code node} says. It has no name by this alone. */
    record Put(Node node) implements Change {}

    /**
     * An entry is no more, and its token is never used again.
     *
     * @param token 1 to {@link Bounds#TOKEN}
     */
    record Remove(long token) implements Change {
        public Remove {
            entry(token);
        }
    }

    /**
     * A directory has an entry under a name; what had the name before no longer has it.
     *
     * @param parent the directory's token, 0 is the root
     * @param name the name in it
     * @param token the entry's, 1 to {@link Bounds#TOKEN}
     */
    record Link(long parent, Name name, long token) implements Change {
        public Link {
            directory(parent);
            entry(token);
        }
    }

    /**
     * A name is no more. Its entry stays until it is removed.
     *
     * @param parent the directory's token, 0 is the root
     * @param name the name in it
     */
    record Unlink(long parent, Name name) implements Change {
        public Unlink {
            directory(parent);
        }
    }

    /**
     * The session has come through an update.
     *
     * @param updates how many by now, 1 or more
     */
    record Cycle(long updates) implements Change {
        public Cycle {
            if (updates < 1) {
                throw new ErrnoException(Errno.EINVAL, "cycle " + updates);
            }
        }
    }

    private static void entry(long token) {
        check(token, 1);
    }

    private static void directory(long token) {
        check(token, 0);
    }

    private static void check(long token, long least) {
        if (token < least || token > Bounds.TOKEN) {
            throw new ErrnoException(Errno.EINVAL, "token " + Long.toUnsignedString(token));
        }
    }
}
