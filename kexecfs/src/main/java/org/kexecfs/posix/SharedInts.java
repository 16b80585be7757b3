package org.kexecfs.posix;

import static org.kexecfs.posix.Libc.C;

import jnr.ffi.Pointer;

/**
 * A file's first integers, in memory that all share who have them mapped (mmap(2), MAP_SHARED): what is set is set for all, at
 * once, and stays set whatever becomes of who set it. Each is whole at any time; nothing is said of two of them.
 */
public final class SharedInts {
    private static final int PROT_READ = 1;
    private static final int PROT_WRITE = 2;
    private static final int MAP_SHARED = 1;
    private static final int MAP_FAILED = -1;

    private final Pointer memory;

    private SharedInts(Pointer memory) {
        this.memory = memory;
    }

    /**
     * Maps them, for as long as this process lives; the file may be closed. A mapping has its open file, and its locks, for as long as it
     * lasts, here and in a copy of this process: so it gets one of its own.
     *
     * @param file open for reading and writing; zeros are added until it is long enough
     * @param count of integers, of 4 bytes each, up to 1024
     * @throws ErrnoException ENOSPC, ENOMEM
     */
    public static SharedInts map(Fd file, int count) {
        int size = Integer.BYTES * count;
        byte[] bytes = new byte[size];
        file.pread(bytes, 0);
        // The page is there from now on: there is no error for who finds no room for one in a mapping.
        file.pwrite(bytes, 0);
        try (Fd own = file.reopen(Fd.O_RDWR)) {
            long memory = C.mmap(null, size, PROT_READ | PROT_WRITE, MAP_SHARED, own.number(), 0);
            if (memory == MAP_FAILED) {
                throw Syscall.failed("mmap(" + file + ")");
            }
            return new SharedInts(Pointer.wrap(Libc.RUNTIME, memory));
        }
    }

    public int get(int index) {
        return memory.getInt((long) Integer.BYTES * index);
    }

    public void set(int index, int value) {
        memory.putInt((long) Integer.BYTES * index, value);
    }

    /** Where it is, for the kernel to set. */
    Pointer at(int index) {
        return memory.slice((long) Integer.BYTES * index, Integer.BYTES);
    }
}
