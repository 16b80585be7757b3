package org.kexecfs.luo;

import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;

/**
 * What the emulation's outgoing and incoming sessions have in common: an open {@link SessionDirectory}, the files that
 * LUO has a reference of, and the end.
 *
 * <p>Locks, in this order: the session's monitor, which guards the references; the emulation's lock
 * ({@link EmulatedKernel}), which guards the directory.
 */
abstract sealed class EmulatedSession implements LiveUpdateSession permits OutgoingSession, IncomingSession {
    /** Sessions that were closed here, and live on by duplicates of their descriptors: until somebody {@link #sweep sweeps} up. */
    private static final Set<EmulatedSession> LIVING_ON = ConcurrentHashMap.newKeySet();

    /** The directory, to be used inside {@link #enter} only. */
    final SessionDirectory directory;

    /** LUO's own descriptors of files, by token. */
    final Map<Long, Fd> references = new HashMap<>();

    private final Path machine;
    private final Path kernel;
    private final SessionName name;
    private final Fd fd;

    EmulatedSession(Path machine, EmulatedKernel kernel, SessionDirectory directory, Fd fd) {
        this.machine = machine;
        this.kernel = kernel.path();
        this.directory = directory;
        this.name = directory.name();
        this.fd = fd;
    }

    /**
     * Begins a call: takes the emulation's lock.
     *
     * @return to be closed at the call's end
     * @throws ErrnoException EBADF the session was closed; ENODEV it was another kernel's
     */
    final EmulatedKernel enter() {
        fd.number();
        EmulatedKernel running = EmulatedKernel.lock(machine);
        if (!running.path().equals(kernel)) {
            running.close();
            throw new ErrnoException(Errno.ENODEV, this + " is gone with the kernel before the (emulated) kexec");
        }
        return running;
    }

    /** The errno of a call that this kind of session does not have. */
    final ErrnoException wrongKind(Request request) {
        return new ErrnoException(Errno.EINVAL, request + " on " + this);
    }

    final ErrnoException failed(ErrnoException e, long token) {
        return new ErrnoException(e, this + ", token " + Long.toUnsignedString(token));
    }

    @Override
    public synchronized String name() {
        enter().close();
        return name.text();
    }

    @Override
    public Fd fd() {
        return fd;
    }

    @Override
    public synchronized void close() {
        // From here on the session is closed, whatever becomes of us: only the sweeping up is left.
        fd.close();
        LIVING_ON.add(this);
        dropIfEnded();
    }

    /** LUO lets go of what it has for sessions that were closed here, and have ended since. */
    static void sweep(Path machine) {
        LIVING_ON.stream().filter(session -> session.machine.equals(machine)).forEach(EmulatedSession::dropIfEnded);
    }

    /** A session that lives on, by a duplicate of its descriptor, needs its files. */
    private synchronized void dropIfEnded() {
        if (!livesOn()) {
            dropReferences();
            LIVING_ON.remove(this);
        }
    }

    private boolean livesOn() {
        try (EmulatedKernel running = EmulatedKernel.lock(machine)) {
            return running.path().equals(kernel) && directory.exists() && !running.buried(directory);
        } catch (ErrnoException e) {
            // The next who takes the lock sweeps up.
            return false;
        }
    }

    final void dropReferences() {
        references.values().forEach(Fd::close);
        references.clear();
    }

    @Override
    public String toString() {
        return "session '" + name + "'";
    }
}
