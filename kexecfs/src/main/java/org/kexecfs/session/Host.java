package org.kexecfs.session;

import org.kexecfs.keep.Shelf;

/**
 * What a session has of the host that it is on.
 *
 * @param memory where new entries live
 * @param ownership of files, among the sessions of this host
 * @param shelf where everything is kept that is to outlive this process
 */
public record Host(Memory memory, Ownership ownership, Shelf shelf) {
    /** One on which no other session is, and nothing outlives this process. */
    public static Host of(Memory memory) {
        return new Host(memory, Ownership.ALONE, Shelf.none());
    }
}
