/** Mounting and unmounting: what mount options mean, and the one mount that a session may have. */
package org.kexecfs.mount;
