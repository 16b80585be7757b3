package org.kexecfs.luo;

import jnr.ffi.LibraryLoader;
import jnr.ffi.annotations.Out;

/** System calls that only tests need: what makes files that LUO cannot preserve. */
public interface MoreLibc {
    MoreLibc C = LibraryLoader.create(MoreLibc.class).failImmediately().load("c");

    int pipe2(@Out int[] ends, int flags);

    int socketpair(int domain, int type, int protocol, @Out int[] ends);
}
