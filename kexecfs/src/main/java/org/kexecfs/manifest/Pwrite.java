package org.kexecfs.manifest;

/** How a log writes: {@link org.kexecfs.posix.Fd#pwrite(byte[], long)} of its memfd. */
@FunctionalInterface
interface Pwrite {
    /** Writes all of {@code bytes} at {@code offset}; throws ErrnoException. */
    void pwrite(byte[] bytes, long offset);
}
