/**
 * The filesystem as the kernel's FUSE client sees it: callbacks, control files, link sources, and the channel
 * that requests and replies go through.
 *
 * <p>Callbacks do nothing: path in, session call out, errno back.
 */
package org.kexecfs.fuse;
