package org.kexecfs.manifest;

/**
 * A change that cannot be applied to the tree as it is: a link to an entry that is not there, a parent that is no
 * directory, a token that is a file and a directory, a directory below itself, more entries than {@link Bounds#NODES}.
 *
 * <p>Thrown by whoever applies changes; to {@link Manifest#read} it is damage at that change.
 */
public final class BrokenChange extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** A change that does not fit, and why, in words that name the entry. */
    public BrokenChange(String message) {
        super(message);
    }
}
