package org.kexecfs.luo;

import java.nio.charset.StandardCharsets;
import jnr.ffi.Pointer;
import org.kexecfs.posix.Fd;

/**
 * The requests of LUO's uAPI, include/uapi/linux/liveupdate.h: the only place with their numbers, and with the
 * layout of their arguments. A test compares all of it with what a C compiler makes of that header.
 *
 * <p>Every argument begins with its own size, so that either side can be the newer one.
 */
enum Request {
    /** On the device. In: name. Out: fd. */
    CREATE_SESSION(0x00, 72),
    /** On the device. In: name. Out: fd. */
    RETRIEVE_SESSION(0x01, 72),
    /** On an outgoing session. In: fd, token. */
    PRESERVE_FD(0x40, 16),
    /** On a retrieved session. In: token. Out: fd. */
    RETRIEVE_FD(0x41, 16),
    /** On a retrieved session. */
    FINISH(0x42, 8),
    /** On any session; Linux 7.2 and later. Out: name. */
    GET_NAME(0x43, 72);

    /** LIVEUPDATE_SESSION_NAME_LENGTH: a name with its NUL. */
    static final int NAME_LENGTH = 64;

    /** __u32: the size of the struct. In all of them. */
    static final int SIZE_AT = 0;
    /** __s32. Where FINISH and GET_NAME have a reserved 0. */
    static final int FD_AT = 4;
    /** __u8[NAME_LENGTH], ended by a NUL. */
    static final int NAME_AT = 8;
    /** __u64. */
    static final int TOKEN_AT = 8;

    // LIVEUPDATE_IOCTL_TYPE. The numbers are _IO(type, nr): neither direction nor size are in them.
    private static final int TYPE = 0xBA;

    private final int nr;
    private final int size;

    Request(int nr, int size) {
        this.nr = nr;
        this.size = size;
    }

    /** The number for ioctl(2). */
    int number() {
        return TYPE << 8 | nr;
    }

    /** Bytes of the argument. */
    int size() {
        return size;
    }

    /** An argument for this request: its size filled in, the rest 0. */
    Pointer argument() {
        Pointer argument = Fd.allocate(size);
        argument.putInt(SIZE_AT, size);
        return argument;
    }

    /**
     * Makes the request: ioctl(2).
     *
     * @param fd the device or the session
     * @param argument what {@link #argument} gave, filled in; results are written to it
     * @throws org.kexecfs.posix.ErrnoException with the kernel's errno
     */
    void on(Fd fd, Pointer argument) {
        fd.ioctl(number(), argument, name());
    }

    /** Puts a session's name into an argument. */
    static void putName(Pointer argument, SessionName name) {
        byte[] bytes = name.bytes();
        argument.put(NAME_AT, bytes, 0, bytes.length);
    }

    /** A session's name from an argument. */
    static String name(Pointer argument) {
        return argument.getString(NAME_AT, NAME_LENGTH, StandardCharsets.UTF_8);
    }
}
