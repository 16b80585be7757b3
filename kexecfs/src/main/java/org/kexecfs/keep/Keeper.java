package org.kexecfs.keep;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.luo.LiveUpdate;
import org.kexecfs.posix.Child;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Exec;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.IgnoredSignals;
import org.kexecfs.posix.Messages;
import org.kexecfs.posix.OwnProcess;
import org.kexecfs.posix.Peer;
import org.kexecfs.posix.Poll;
import org.kexecfs.posix.ResourceLimits;
import org.kexecfs.posix.Sockets;

/**
 * A process that does nothing but hold descriptors for a daemon, and hand them back to the next. It opens none itself, but for
 * LUO's incoming sessions, which must not be in the daemon alone for a moment. doc/keeper.md says what is spoken over its
 * socket.
 *
 * <p>Its life:
 *
 * <ol>
 *   <li>A daemon that finds no keeper starts one ({@link #main}). It leaves the daemon's session and process group, binds
 *       its socket, and says {@value #READY}.
 *   <li>It serves one daemon at a time, which must be as mighty as it is ({@link Trust}); others are told so.
 *   <li>The daemon ends, in whatever way. What it sent before is taken in still. Then, if nothing is held, the keeper ends;
 *       otherwise it waits for the next daemon, for as long as it takes. A daemon that wanted that it starts again itself
 *       ({@link Restarts}).
 * </ol>
 *
 * <p>Only SIGKILL ends it before: signals that end a daemon, or a shutdown, must not cost what it holds.
 */
public final class Keeper implements AutoCloseable {
    /** What it says on its standard output once it can be connected to. */
    static final String READY = "ready";

    /** What it says if another has its place. Anything else is why it cannot run. */
    static final String TAKEN = "taken";

    private static final String LOCK = "keeper.lock";
    private static final String SOCKET = "keeper.sock";
    private static final int BACKLOG = 16;
    private static final int STDERR = 2;

    /** Milliseconds until a keeper to which nobody came gives up. */
    private static final int PATIENCE = 30_000;

    /** Descriptors that it needs for itself, and to spare. */
    private static final int OWN_FILES = 64;

    private final Fd lock;
    private final Fd listener;
    private final long most;
    private final Messages messages = new Messages(Said.LONGEST);
    private final Map<String, Fd> held = new LinkedHashMap<>();
    private final Restarts restarts = new Restarts();
    private final Function<List<String>, Child> starter;

    /** What was started last, and what ended last of that kind, as the thread that waits for it tells. */
    private Child started;

    private final AtomicReference<Child> ended = new AtomicReference<>();
    private final Fd end = Fd.event();

    /** The connection of the daemon that is served; null if there is none. */
    private Fd daemon;

    private boolean served;

    private Keeper(Fd lock, Fd listener, long most, Function<List<String>, Child> starter) {
        this.lock = lock;
        this.listener = listener;
        this.most = most;
        this.starter = starter;
    }

    /**
     * A keeper that can be connected to, and is to {@link #run}.
     *
     * @param directory where its socket is to be; there, and its owner's alone
     * @param most descriptors that it may hold
     * @param starter starts the next daemon by a command
     * @throws ErrnoException EBUSY if there is one; ENOSPC, EACCES for the directory
     */
    static Keeper listen(Path directory, long most, Function<List<String>, Child> starter) {
        Fd lock = Fd.open(directory.resolve(LOCK).toString(), Fd.O_RDWR | Fd.O_CREAT, 0600);
        try {
            if (!lock.tryLock()) {
                throw new ErrnoException(Errno.EBUSY, "there is a keeper in " + directory);
            }
            lock.truncate(0);
            lock.pwrite(Fd.utf8(ProcessHandle.current().pid() + "\n"), 0);
            // Nobody listens there: who does has the lock.
            Files.deleteIfExists(socket(directory));
            return new Keeper(lock, Sockets.listen(socket(directory).toString(), BACKLOG), most, starter);
        } catch (IOException e) {
            lock.close();
            throw new ErrnoException(Errno.EACCES, directory + ": " + e.getMessage());
        } catch (RuntimeException e) {
            lock.close();
            throw e;
        }
    }

    static Path socket(Path directory) {
        return directory.resolve(SOCKET);
    }

    /** The program: {@code DIR}. */
    public static void main(String[] arguments) {
        try {
            OwnProcess.leaveSession();
            IgnoredSignals signals = IgnoredSignals.ofEnd();
            long most = ResourceLimits.raiseOpenFiles() - OWN_FILES;
            try (Keeper keeper = listen(Path.of(arguments[0]), most, command -> start(command, signals))) {
                System.out.println(READY);
                // Whoever waits for the daemon's output must not wait for us.
                System.out.close();
                System.err.close();
                keeper.run();
            }
        } catch (ErrnoException e) {
            System.out.println(e.is(Errno.EBUSY) ? TAKEN : e.getMessage());
        }
    }

    /** With our standard descriptors and no other, and its signals as the one before had them. */
    private static Child start(List<String> command, IgnoredSignals signals) {
        try (Fd nothing = Fd.open("/dev/null", Fd.O_WRONLY, 0)) {
            return Child.start(
                    new Child.Setting(
                            command.stream()
                                    .map(word -> new String(Fd.utf8(word), StandardCharsets.ISO_8859_1))
                                    .toList(),
                            Exec.ownEnvironment(),
                            Collections.emptySortedSet(),
                            signals),
                    nothing,
                    STDERR);
        }
    }

    /** Serves daemons, one after the other, until there is none and nothing is held. */
    void run() {
        while (daemon != null || !served || !held.isEmpty()) {
            List<Fd> ready = daemon == null
                    ? Poll.await(List.of(wanted(listener), wanted(end)), patience())
                    : Poll.await(List.of(wanted(daemon), wanted(listener), wanted(end)), Poll.FOREVER);
            if (ready.isEmpty() && !served) {
                return;
            }
            if (ready.isEmpty()) {
                restart();
            } else if (ready.getFirst().equals(daemon)) {
                // Its end may be what is next to be heard of a daemon, and then another is welcome.
                hear();
            } else if (ready.contains(listener)) {
                Sockets.accept(listener).ifPresent(this::admit);
            } else {
                end.reset();
                if (daemon == null && ended.get() == started) {
                    restarts.failed(System.nanoTime());
                }
            }
        }
    }

    private int patience() {
        if (!served) {
            return PATIENCE;
        }
        return restarts.isWaiting() ? restarts.millisecondsLeft(System.nanoTime()) : Poll.FOREVER;
    }

    private void restart() {
        try {
            Child child = starter.apply(restarts.start());
            started = child;
            Thread.ofPlatform().daemon().name("daemon").start(() -> {
                child.await();
                ended.set(child);
                end.signal();
            });
        } catch (ErrnoException e) {
            restarts.failed(System.nanoTime());
        }
    }

    private static Poll.Wanted wanted(Fd fd) {
        return new Poll.Wanted(fd, Poll.POLLIN);
    }

    private void admit(Fd connection) {
        try (Peer peer = Sockets.peer(connection)) {
            Optional<String> refusal = Trust.refusal(peer);
            if (refusal.isEmpty() && daemon == null) {
                daemon = connection;
                served = true;
                restarts.begins(System.nanoTime());
                return;
            }
            answer(
                    connection,
                    refusal.map(why -> Said.of(Said.Word.REFUSED, why))
                            .orElse(Said.of(Said.Word.BUSY, "another daemon is served")),
                    Optional.empty());
        } catch (ErrnoException e) {
            // It has gone already.
        }
        connection.close();
    }

    /** Takes in all that the daemon has said until now. */
    private void hear() {
        try {
            while (true) {
                Optional<Messages.Message> message = messages.receive(daemon);
                if (message.isEmpty()) {
                    return;
                }
                take(message.get());
            }
        } catch (ErrnoException e) {
            daemon.close();
            daemon = null;
            restarts.ends(System.nanoTime());
        }
    }

    private void take(Messages.Message message) {
        Said said = message.whole() || message.files().isEmpty()
                ? Said.read(message.bytes()).orElse(null)
                : null;
        if (said == null || message.files().size() > 1) {
            message.files().forEach(Fd::close);
            throw new ErrnoException(Errno.EPROTO, "a message that is none");
        }
        Optional<Fd> file = message.files().stream().findFirst();
        if (said.word() != Said.Word.PARK) {
            file.ifPresent(Fd::close);
        }
        switch (said.word()) {
            case HELLO -> tellAll();
            case PARK ->
                file.ifPresentOrElse(
                        fd -> close(held.put(said.about(), fd)),
                        () -> answer(daemon, Said.of(Said.Word.LOST, said.about()), Optional.empty()));
            case RETRIEVE -> retrieve(said.about().split("\n"));
            case RELEASE -> close(held.remove(said.about()));
            case RESTART ->
                restarts.by(
                        said.about().isEmpty()
                                ? List.of()
                                : List.of(said.about().split("\n")));
            case SYNC -> answer(daemon, Said.of(Said.Word.SYNCED, said.about()), Optional.empty());
            default -> throw new ErrnoException(Errno.EPROTO, "a keeper's word, said to it");
        }
    }

    /** Here and not in the daemon: so there is no moment at which only a daemon has it that may be killed. */
    private void retrieve(String[] lines) {
        if (lines.length != 3) {
            throw new ErrnoException(Errno.EPROTO, "a message that is none");
        }
        try {
            Fd session = LiveUpdate.told(lines[1]).retrieveSession(lines[2]).fd();
            close(held.put(lines[0], session));
            answer(daemon, Said.of(Said.Word.FILE, lines[0]), Optional.of(session));
        } catch (ErrnoException e) {
            answer(daemon, Said.of(Said.Word.FAILED, e.errno().name() + " " + e.getMessage()), Optional.empty());
        }
    }

    private void tellAll() {
        answer(daemon, Said.of(Said.Word.HOLDS, held.size() + " " + most), Optional.empty());
        held.forEach((name, file) -> answer(daemon, Said.of(Said.Word.FILE, name), Optional.of(file)));
    }

    private void answer(Fd connection, Said said, Optional<Fd> file) {
        while (true) {
            try {
                messages.send(connection, said.bytes(), file);
                return;
            } catch (ErrnoException e) {
                if (!e.is(Errno.EAGAIN)) {
                    throw e;
                }
                Poll.await(List.of(new Poll.Wanted(connection, Poll.POLLOUT)), Poll.FOREVER);
            }
        }
    }

    private static void close(Fd file) {
        if (file != null) {
            file.close();
        }
    }

    @Override
    public void close() {
        close(daemon);
        held.values().forEach(Fd::close);
        listener.close();
        end.close();
        lock.close();
    }
}
