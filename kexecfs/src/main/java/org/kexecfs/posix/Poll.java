package org.kexecfs.posix;

import static org.kexecfs.posix.Libc.C;
import static org.kexecfs.posix.Syscall.check;

import java.util.ArrayList;
import java.util.List;
import jnr.ffi.Pointer;

/** Waiting for one of several descriptors (poll(2)). */
public final class Poll {
    public static final int POLLIN = 0x01;
    public static final int POLLPRI = 0x02;
    public static final int POLLOUT = 0x04;

    /** Waits for ever. */
    public static final int FOREVER = -1;

    private static final int SIZE_OF_POLLFD = 8;

    private Poll() {}

    /**
     * What to wait for.
     *
     * @param fd the descriptor
     * @param events POLL* bits; that of an error or a hang-up ends the wait anyway
     */
    public record Wanted(Fd fd, int events) {}

    /**
     * poll(2).
     *
     * @param timeout milliseconds, or {@link #FOREVER}
     * @return those that something happened to, in the order given; empty when the time is over
     */
    public static List<Fd> await(List<Wanted> wanted, int timeout) {
        Pointer table = Fd.allocate(SIZE_OF_POLLFD * wanted.size());
        for (int i = 0; i < wanted.size(); i++) {
            table.putInt((long) SIZE_OF_POLLFD * i, wanted.get(i).fd().number());
            table.putShort((long) SIZE_OF_POLLFD * i + 4, (short) wanted.get(i).events());
        }
        check(() -> C.poll(table, wanted.size(), timeout), () -> "poll");
        List<Fd> ready = new ArrayList<>();
        for (int i = 0; i < wanted.size(); i++) {
            if (table.getShort((long) SIZE_OF_POLLFD * i + 6) != 0) {
                ready.add(wanted.get(i).fd());
            }
        }
        return ready;
    }
}
