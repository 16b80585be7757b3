package org.kexecfs.session;

import org.kexecfs.manifest.Kind;

/**
 * A line of {@code kexecfs.files}: a name of an entry. An entry with two names has two lines.
 *
 * @param token of the entry
 * @param kind file or directory
 * @param size bytes; 0 for a directory and for what was not restored
 * @param status how it fares
 * @param path from the root
 */
public record Listed(long token, Kind kind, long size, Status status, EntryPath path) {}
