/**
 * The record of a session in a memfd: format, versions, recovery.
 *
 * <p>LUO keeps files under tokens and nothing else. Names, owners, modes, times, extended attributes and
 * which token is which are in the {@link org.kexecfs.manifest.Manifest}, a log of
 * {@link org.kexecfs.manifest.Change}s that LUO keeps under token 0. The bytes are described in
 * {@code kexecfs/doc/manifest.md}.
 */
package org.kexecfs.manifest;
