package org.kexecfs.session;

/**
 * What a session holds and may hold.
 *
 * @param entries files and directories, the root not counted
 * @param bytes of all files
 * @param maxEntries 0 for no limit
 * @param maxBytes 0 for no limit
 */
public record Usage(long entries, long bytes, long maxEntries, long maxBytes) {}
