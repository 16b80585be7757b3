/**
 * A session: its entries, its limits, its states, what is handed to LUO and what comes back.
 *
 * <p>Knows no FUSE, no path of the host and no ioctl. A session is a manifest and the files of its entries,
 * all of them descriptors; {@link org.kexecfs.session.Session} tells its life.
 */
package org.kexecfs.session;
