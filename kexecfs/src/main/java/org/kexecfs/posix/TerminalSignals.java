package org.kexecfs.posix;

import static org.kexecfs.posix.Libc.C;
import static org.kexecfs.posix.Syscall.check;

import java.util.Map;
import java.util.TreeMap;
import jnr.ffi.Pointer;

/**
 * The signals of a terminal's keys, which go to a program and to us who wait for it: they are the program's to obey, and we
 * ignore them meanwhile, as system(3) does.
 */
public final class TerminalSignals implements AutoCloseable {
    static final int SIGTERM = 15;

    private static final int SIGINT = 2;
    private static final int SIGQUIT = 3;
    private static final long SIG_IGN = 1;
    /** More than struct sigaction and sigset_t take. */
    private static final int ROOM = 256;

    private final Map<Integer, Pointer> before = new TreeMap<>();

    private TerminalSignals() {}

    /** Ignores them, until this is closed. */
    public static TerminalSignals ignore() {
        TerminalSignals signals = new TerminalSignals();
        Pointer ignore = Fd.allocate(ROOM);
        ignore.putLong(0, SIG_IGN);
        for (int signal : new int[] {SIGINT, SIGQUIT}) {
            Pointer old = Fd.allocate(ROOM);
            check(() -> C.sigaction(signal, ignore, old), () -> "sigaction(" + signal + ")");
            signals.before.put(signal, old);
        }
        return signals;
    }

    /** A sigset_t of those that were not ignored before. */
    Pointer ignoredByUsOnly() {
        Pointer set = Fd.allocate(ROOM);
        before.forEach((signal, old) -> {
            if (old.getLong(0) != SIG_IGN) {
                set.putLong(0, set.getLong(0) | 1L << signal - 1);
            }
        });
        return set;
    }

    /** As it was. */
    @Override
    public void close() {
        before.forEach((signal, old) -> check(() -> C.sigaction(signal, old, null), () -> "sigaction(" + signal + ")"));
    }
}
