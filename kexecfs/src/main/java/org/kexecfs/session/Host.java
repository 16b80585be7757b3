package org.kexecfs.session;

/**
 * What a session has of the host that it is on.
 *
 * @param memory where new entries live
 * @param ownership of files, among the sessions of this host
 */
public record Host(Memory memory, Ownership ownership) {
    /** One on which no other session is. */
    public static Host of(Memory memory) {
        return new Host(memory, Ownership.ALONE);
    }
}
