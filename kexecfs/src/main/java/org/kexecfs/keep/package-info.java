/**
 * Who else holds our descriptors, so that they outlive this process.
 *
 * <p>{@link org.kexecfs.keep.Keep} is the interface: systemd's fd store ({@code SystemdKeep}), a process of our own ({@code
 * ProcessKeep}, whose other side is {@link org.kexecfs.keep.Keeper}), or nobody. {@link org.kexecfs.keep.Shelf} is one
 * session's part of it. What is said between a daemon and its keeper is in doc/keeper.md.
 */
package org.kexecfs.keep;
