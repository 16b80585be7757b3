package org.kexecfs.keep;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Function;
import java.util.stream.Stream;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.luo.LiveUpdate;
import org.kexecfs.posix.Child;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Exec;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.IgnoredSignals;
import org.kexecfs.posix.Messages;
import org.kexecfs.posix.Names;
import org.kexecfs.posix.OwnProcess;
import org.kexecfs.posix.Peer;
import org.kexecfs.posix.Poll;
import org.kexecfs.posix.ResourceLimits;
import org.kexecfs.posix.Sockets;

/**
 * A process that does nothing but hold descriptors for a daemon, and hand them back to the next. It opens none itself, but for
 * LUO's incoming sessions, which must not be in one process alone for a moment. doc/keeper.md says what is spoken over its
 * socket.
 *
 * <p>Its life:
 *
 * <ol>
 *   <li>A daemon that finds no keeper starts one ({@link #main}). It leaves the daemon's session and process group, takes the
 *       {@link Seat}, which comes with a shadow that has whatever it has, binds its socket, and says {@value #READY}. If the keeper before
 *       it was killed it has what that had by then, and hears first what that did not hear.
 *   <li>It serves one daemon at a time, which must be as mighty as it is ({@link Trust}); others are told so.
 *   <li>The daemon ends, in whatever way. What it sent before is taken in still. Then, if nothing is held, the keeper ends;
 *       otherwise it waits for the next daemon, for as long as it takes. A daemon that wanted that it starts again itself
 *       ({@link Restarts}).
 * </ol>
 *
 * <p>Only SIGKILL, or a fault of its own, ends it before: signals that end a daemon, or a shutdown, must not cost what it holds. Its shadow
 * has everything then, also what its daemon has sent and it has not read, until there is another keeper.
 */
public final class Keeper implements AutoCloseable {
    /** What it says on its standard output once it can be connected to. */
    static final String READY = "ready";

    /** What it says if another has its place. Anything else is why it cannot run. */
    static final String TAKEN = "taken";

    private static final String SOCKET = "keeper.sock";
    private static final int BACKLOG = 16;
    private static final int STDERR = 2;

    /** Milliseconds until a keeper to which nobody came gives up. */
    private static final int PATIENCE = 30_000;

    /** Milliseconds until another shadow is tried, if there was no room for one. */
    private static final int NEXT_SHADOW = 1000;

    /** Descriptors that it needs for itself, and to spare. */
    private static final int OWN_FILES = 64;

    private final Seat seat;
    private final Path socket;
    private final Fd listener;
    private final long most;
    private final Messages messages = new Messages(Said.LONGEST);
    private final Held held;
    private final Restarts restarts = new Restarts();
    private final Function<List<String>, Child> starter;

    /** What was started last, and what ended last of that kind, as the thread that waits for it tells. */
    private Child started;

    private final AtomicReference<Child> ended = new AtomicReference<>();
    private final Fd end = Fd.event();

    /** The connection of the daemon that is served; null if there is none. */
    private Fd daemon;

    private boolean served;

    private Keeper(Seat seat, Path socket, long most, Function<List<String>, Child> starter) {
        this.seat = seat;
        this.socket = socket;
        // Nobody listens there who lives: who does has the seat.
        Names.unlink(socket);
        this.listener = Sockets.listen(socket.toString(), BACKLOG);
        this.most = most;
        this.starter = starter;
        this.held = new Held(seat.index());
    }

    /**
     * A keeper that can be connected to, and is to {@link #run}. It has what one that was killed before had.
     *
     * @param directory where its socket is to be; there, and its owner's alone
     * @param most descriptors that it may hold
     * @param starter starts the next daemon by a command
     * @throws ErrnoException EBUSY if there is one; ENOSPC, EACCES for the directory
     */
    static Keeper listen(Path directory, long most, Function<List<String>, Child> starter) {
        Seat seat = Seat.take(directory);
        try {
            Keeper keeper = new Keeper(seat, socket(directory), most, starter);
            seat.orphan().ifPresent(keeper::takeOver);
            return keeper;
        } catch (RuntimeException e) {
            seat.close();
            throw e;
        }
    }

    /** What was said over the connection and is there still is heard first of all; then it is at its end, and who lives comes anew. */
    private void takeOver(Orphan orphan) {
        orphan.handOver(held);
        orphan.daemon().ifPresent(connection -> {
            Sockets.shutdown(connection);
            serve(connection);
        });
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
            Keeper keeper = listen(Path.of(arguments[0]), most, command -> start(command, signals));
            System.out.println(READY);
            // Whoever waits for the daemon's output must not wait for us.
            System.out.close();
            System.err.close();
            keeper.run();
            // Not if that throws: what we have is our shadow's then.
            keeper.close();
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

    /** Serves daemons, one after the other, until there is none and nothing is held. Until it has a shadow, it serves nobody. */
    void run() {
        while (!cast()) {
            LockSupport.parkNanos(Duration.ofMillis(NEXT_SHADOW).toNanos());
        }
        while (daemon != null || !served || held.size() > 0) {
            List<Fd> ready = Poll.await(awaited(), patience());
            if (ready.isEmpty()) {
                if (seat.shadowEnded().isEmpty()) {
                    cast();
                } else if (restarts.isWaiting()) {
                    restart();
                } else {
                    return;
                }
            } else if (seat.shadowEnded().filter(ready::contains).isPresent()) {
                seat.reap();
                cast();
            } else if (ready.contains(daemon)) {
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

    private List<Poll.Wanted> awaited() {
        return Stream.of(seat.shadowEnded(), Optional.ofNullable(daemon), Optional.of(listener), Optional.of(end))
                .flatMap(Optional::stream)
                .map(file -> new Poll.Wanted(file, Poll.POLLIN))
                .toList();
    }

    /** Whether there is room for a shadow now. */
    private boolean cast() {
        try {
            seat.cast();
            return true;
        } catch (ErrnoException e) {
            return false;
        }
    }

    private int patience() {
        if (seat.shadowEnded().isEmpty()) {
            return NEXT_SHADOW;
        }
        if (daemon != null) {
            return Poll.FOREVER;
        }
        if (restarts.isWaiting()) {
            return restarts.millisecondsLeft(System.nanoTime());
        }
        return served || held.size() > 0 ? Poll.FOREVER : PATIENCE;
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
        } catch (OutOfMemoryError e) {
            // No thread can be started: its end will not be told, should it never come. What we hold matters more.
        }
    }

    private void admit(Fd connection) {
        try (Peer peer = Sockets.peer(connection)) {
            Optional<String> refusal = Trust.refusal(peer);
            if (refusal.isEmpty() && daemon == null) {
                serve(connection);
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
            // It has gone already, or we have no room for it: it comes again.
        }
        connection.close();
    }

    private void serve(Fd connection) {
        seat.index().put(connection, Index.DAEMON);
        daemon = connection;
    }

    /** Takes in all that the daemon has said until now. A message is there until it is done: who takes our place does it again. */
    private void hear() {
        try {
            while (true) {
                Optional<Messages.Message> message = messages.peek(daemon);
                if (message.isEmpty()) {
                    return;
                }
                take(message.get());
                messages.drop(daemon);
            }
        } catch (RuntimeException e) {
            // Its end; or a message that cannot be done, which is there still, and must not be whoever's comes after
            // us.
            seat.index().clear(daemon);
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
                        fd -> held.put(said.about(), fd),
                        () -> answer(daemon, Said.of(Said.Word.LOST, said.about()), Optional.empty()));
            case RETRIEVE -> retrieve(said.about().split("\n", 3));
            case RELEASE -> held.remove(said.about());
            case RESTART ->
                restarts.by(
                        said.about().isEmpty()
                                ? List.of()
                                : List.of(said.about().split("\n")));
            case SYNC -> answer(daemon, Said.of(Said.Word.SYNCED, said.about()), Optional.empty());
            default -> throw new ErrnoException(Errno.EPROTO, "a keeper's word, said to it");
        }
    }

    /**
     * Here and not in the daemon: the moment that LUO has given it, our shadow has it, too. It may be held already: one before us died
     * before it could tell.
     */
    private void retrieve(String[] lines) {
        if (lines.length != 3) {
            throw new ErrnoException(Errno.EPROTO, "a message that is none");
        }
        String name = lines[0];
        try {
            if (held.get(name).isEmpty()) {
                seat.index().intend(new Index.Intent(name, lines[2]));
                held.put(
                        name,
                        LiveUpdate.told(lines[1]).retrieveSession(lines[2]).fd());
            }
            answer(daemon, Said.of(Said.Word.FILE, name), held.get(name));
        } catch (ErrnoException e) {
            answer(daemon, Said.of(Said.Word.FAILED, e.errno().name() + " " + e.getMessage()), Optional.empty());
        } finally {
            seat.index().intendNothing();
        }
    }

    private void tellAll() {
        answer(daemon, Said.of(Said.Word.HOLDS, held.size() + " " + most), Optional.empty());
        held.forEach((name, file) -> answer(daemon, Said.of(Said.Word.FILE, name), Optional.of(file)));
    }

    /** What is said to one who has gone is not heard; what it said itself is to be heard still. */
    private void answer(Fd connection, Said said, Optional<Fd> file) {
        while (true) {
            try {
                messages.send(connection, said.bytes(), file);
                return;
            } catch (ErrnoException e) {
                if (e.is(Errno.EPIPE, Errno.ECONNRESET)) {
                    return;
                }
                if (!e.is(Errno.EAGAIN)) {
                    throw e;
                }
                Poll.await(List.of(new Poll.Wanted(connection, Poll.POLLOUT)), Poll.FOREVER);
            }
        }
    }

    /** In order: what is held ends with us, and the name of the socket goes while the seat is still ours. */
    @Override
    public void close() {
        if (daemon != null) {
            daemon.close();
        }
        held.close();
        forget();
        listener.close();
        end.close();
        seat.close();
    }

    private void forget() {
        try {
            Names.unlink(socket);
        } catch (ErrnoException e) {
            // Whoever comes finds that nobody listens, and starts the next keeper later than it could.
        }
    }
}
