package org.kexecfs.posix;

import static org.kexecfs.posix.Libc.C;
import static org.kexecfs.posix.Syscall.check;

import java.util.Map;
import java.util.TreeMap;
import jnr.ffi.Pointer;

/** Signals that this process ignores, and that the programs that it starts ({@link Child}) do not, unless whoever started us did. */
public final class IgnoredSignals implements AutoCloseable {
    static final int SIGTERM = 15;

    private static final int SIGHUP = 1;
    private static final int SIGINT = 2;
    private static final int SIGQUIT = 3;
    private static final long SIG_IGN = 1;
    /** More than struct sigaction and sigset_t take. */
    private static final int ROOM = 256;

    private final Map<Integer, Pointer> before = new TreeMap<>();

    private IgnoredSignals() {}

    /**
     * Those of a terminal's keys, which go to a program and to us who wait for it: they are the program's to obey, and we
     * ignore them meanwhile, as system(3) does.
     */
    public static IgnoredSignals ofTerminal() {
        return ignore(SIGINT, SIGQUIT);
    }

    /** Those that end a daemon, a login or a machine in order. The JVM must leave them alone: {@code -Xrs}. */
    public static IgnoredSignals ofEnd() {
        return ignore(SIGHUP, SIGINT, SIGTERM);
    }

    private static IgnoredSignals ignore(int... which) {
        IgnoredSignals signals = new IgnoredSignals();
        Pointer ignore = Fd.allocate(ROOM);
        ignore.putLong(0, SIG_IGN);
        for (int signal : which) {
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
