package org.kexecfs.luo;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.FileId;

/**
 * LUO without the kernel's: sessions, tokens and errnos as the kernel has them, "preserved memory" in a directory, and
 * for a kexec a method. Processes that name the same directory share one LUO.
 *
 * <p>The life of a preserved file here:
 *
 * <ol>
 *   <li>{@code preserve} notes the file in the session's directory, and keeps a descriptor of it in this process.
 *   <li>{@link #kexec}, in whatever process, gets at the file through /proc/PID/fd of those who have the session open, and writes its contents
 *       into the next kernel's incoming session, for all sessions that are open. The next kernel then takes the place
 *       of this one, in one step.
 *   <li>{@code retrieve} makes a memfd of these contents.
 *   <li>{@code finish}, or the close, deletes them.
 * </ol>
 *
 * Unhappy ends: a holder that is killed has closed its sessions, as under the kernel, because a session is the flock
 * that its descriptor has on a file; a kexec that fails, or is killed, has changed nothing.
 *
 * <p>What it cannot do as the kernel does:
 *
 * <ul>
 *   <li>It freezes no size: a preserved file can be truncated or grown. The kexec then fails with EPERM, and nothing is
 *       lost.
 *   <li>The machine does not stand still for a kexec: a write while it copies may or may not be carried over.
 *   <li>The processes of the kernel before live on; their sessions give ENODEV. {@link Kexec#holders} are there to be
 *       ended, as a kexec would.
 *   <li>The kexec must see the holders in its own /proc (the same PID namespace) and be allowed to look at them (the same
 *       user, or root).
 *   <li>A session that outlives its process, by a duplicate of its descriptor elsewhere, has its files only as long as
 *       those who have such a duplicate have the files open, too; otherwise the kexec fails with ENOENT.
 *   <li>A file that was retrieved by a process that has ended is, if the session outlived that, made anew by the next
 *       retrieve: as it was before the kexec, and not the same open file.
 *   <li>The directory is no memory: it is written without fsync(2), and a power failure may damage it.
 * </ul>
 *
 * The classes: {@link EmulatedKernel} is the directory and its lock, {@link SessionDirectory} a session in it, {@link
 * OutgoingSession} and {@link IncomingSession} the calls, {@link Memory} what is done with a file.
 */
public final class EmulatedLiveUpdate implements LiveUpdate {
    /** What {@link #toString} says before the directory. */
    static final String TOLD = "emulated ";

    private final Path directory;

    /**
     * What a kexec did.
     *
     * @param sessions names of the sessions that were carried over, in the order of their directories
     * @param holders processes that have sessions of the kernel before open, outgoing or retrieved, each once, lowest pid
     *     first: a real kexec would have ended them
     */
    public record Kexec(List<String> sessions, List<Integer> holders) {}

    /**
     * The LUO in {@code directory}, which is made, 0700, if it is not there.
     *
     * @throws ErrnoException EPERM the directory is another user's, or its group or others may write to it: what is
     *     preserved there could be anything; ENOTDIR; ENOTEMPTY it holds something else; EACCES, ENOSPC, EROFS
     */
    public EmulatedLiveUpdate(Path directory) {
        this.directory = directory.toAbsolutePath().normalize();
        EmulatedKernel.lock(this.directory).close();
    }

    @Override
    public LiveUpdateSession createSession(String text) {
        SessionName name = new SessionName(text);
        EmulatedSession.sweep(directory);
        try (EmulatedKernel kernel = EmulatedKernel.lock(directory)) {
            SessionDirectory session = kernel.outgoing(name);
            if (session.exists() && !kernel.buried(session)) {
                throw new ErrnoException(Errno.EEXIST, "process " + session.opener() + " has opened it");
            }
            return create(kernel, session);
        } catch (ErrnoException e) {
            throw failed(e, name);
        }
    }

    private LiveUpdateSession create(EmulatedKernel kernel, SessionDirectory session) {
        try {
            session.create();
            return new OutgoingSession(directory, kernel, session, session.open());
        } catch (ErrnoException e) {
            kernel.discard(session.path());
            throw e;
        }
    }

    @Override
    public LiveUpdateSession retrieveSession(String text) {
        SessionName name = new SessionName(text);
        EmulatedSession.sweep(directory);
        try (EmulatedKernel kernel = EmulatedKernel.lock(directory)) {
            SessionDirectory session = kernel.incoming(name);
            if (!session.exists() || session.wasRetrieved() && kernel.buried(session)) {
                throw new ErrnoException(Errno.ENOENT, "the kernel before preserved no such session");
            }
            if (session.wasRetrieved()) {
                throw new ErrnoException(Errno.EINVAL, "process " + session.opener() + " has retrieved it already");
            }
            return new IncomingSession(directory, kernel, session, session.open());
        } catch (ErrnoException e) {
            throw failed(e, name);
        }
    }

    @Override
    public LiveUpdateSession adopt(Fd fd) {
        try (EmulatedKernel kernel = EmulatedKernel.lock(directory)) {
            return adopt(fd, kernel);
        } catch (RuntimeException e) {
            fd.close();
            throw e;
        }
    }

    private LiveUpdateSession adopt(Fd fd, EmulatedKernel kernel) {
        Path session = fd.path().getParent();
        if (session == null
                || !session.startsWith(directory)
                || session.getNameCount() != directory.getNameCount() + 3) {
            throw new ErrnoException(Errno.EINVAL, fd + " is no session of " + this);
        }
        SessionName name = SessionName.ofFileName(session.getFileName().toString());
        SessionDirectory outgoing = kernel.outgoing(name);
        if (outgoing.isOpenBy(fd)) {
            return new OutgoingSession(directory, kernel, outgoing, fd);
        }
        SessionDirectory incoming = kernel.incoming(name);
        if (incoming.isOpenBy(fd)) {
            return new IncomingSession(directory, kernel, incoming, fd);
        }
        throw new ErrnoException(
                Errno.ENODEV, "session '" + name + "' is gone with the kernel before the (emulated) kexec");
    }

    @Override
    public String kernel() {
        try (EmulatedKernel kernel = EmulatedKernel.lock(directory)) {
            return kernel.path().getFileName().toString();
        }
    }

    private ErrnoException failed(ErrnoException e, SessionName name) {
        return new ErrnoException(e, "session '" + name + "', " + this);
    }

    /**
     * What kexec does to LUO: carries over what is in the open outgoing sessions, drops the incoming ones, retrieved or
     * not, and makes an end of all sessions of this kernel. All or nothing. Whoever else uses the emulation waits for it.
     *
     * @throws ErrnoException a file could not be carried over, and nothing has changed: EPERM its size was changed; ENOENT
     *     its holder has lost it; EACCES its holder is another user's; ENOSPC no room for the contents; EIO
     */
    public Kexec kexec() {
        try (EmulatedKernel kernel = EmulatedKernel.lock(directory)) {
            List<SessionDirectory> outgoing = kernel.outgoing();
            Map<FileId, Set<Integer>> holders =
                    Descriptor.holders(Stream.concat(outgoing.stream(), kernel.retrieved().stream())
                            .map(SessionDirectory::id)
                            .collect(Collectors.toSet()));
            return new Kexec(
                    handOver(outgoing, holders, kernel),
                    holders.values().stream()
                            .flatMap(Set::stream)
                            .distinct()
                            .sorted()
                            .toList());
        } catch (ErrnoException e) {
            throw new ErrnoException(e, "kexec, " + this + ": nothing has changed");
        }
    }

    private static List<String> handOver(
            List<SessionDirectory> outgoing, Map<FileId, Set<Integer>> holders, EmulatedKernel kernel) {
        EmulatedKernel next = kernel.next();
        try {
            List<String> names = new ArrayList<>();
            for (SessionDirectory session : outgoing) {
                if (carry(session, holders.get(session.id()), next)) {
                    names.add(session.name().text());
                }
            }
            kernel.boot(next);
            return names;
        } catch (ErrnoException e) {
            kernel.abandon(next);
            throw e;
        }
    }

    /** Whether the session is in the next kernel: not, if its holder died meanwhile, and so closed it in time. */
    private static boolean carry(SessionDirectory session, Set<Integer> holders, EmulatedKernel next) {
        SessionDirectory carried = next.incoming(session.name());
        carried.create();
        for (long token : session.tokens()) {
            try {
                OutgoingFile file = OutgoingFile.read(session.file(token));
                Memory.freeze(find(file, session, holders), file, carried.contents(token))
                        .write(carried.file(token));
            } catch (ErrnoException e) {
                if (session.isOpen()) {
                    throw new ErrnoException(
                            e, "session '" + session.name() + "', token " + Long.toUnsignedString(token));
                }
                next.discard(carried.path());
                return false;
            }
        }
        return true;
    }

    /** Where the file is open: LUO's own descriptor, or, if its process is gone, whatever those have who hold the session. */
    private static Descriptor find(OutgoingFile file, SessionDirectory session, Set<Integer> holders) {
        Stream<Descriptor> own = Stream.of(new Descriptor(session.opener(), file.fd()))
                .filter(descriptor -> holders.contains(descriptor.process()));
        return Stream.concat(own, holders.stream().map(Descriptor::of).flatMap(List::stream))
                .filter(descriptor -> descriptor.file().equals(Optional.of(file.id())))
                .findFirst()
                .orElseThrow(() -> new ErrnoException(
                        Errno.ENOENT,
                        "no process that has the session open (" + holders
                                + " of those that can be seen) has the file"));
    }

    @Override
    public boolean emulated() {
        return true;
    }

    @Override
    public String toString() {
        return TOLD + directory;
    }
}
