/**
 * System calls, through libc and jnr-ffi.
 *
 * <p>The only room that knows a syscall. Every call here returns or throws an {@link
 * org.kexecfs.posix.ErrnoException} that carries the call, its argument and the errno; names are those
 * of the manual pages.
 */
package org.kexecfs.posix;
