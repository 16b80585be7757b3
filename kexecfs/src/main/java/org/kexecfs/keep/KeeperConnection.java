package org.kexecfs.keep;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.Messages;
import org.kexecfs.posix.Peer;
import org.kexecfs.posix.Pidfd;
import org.kexecfs.posix.Poll;
import org.kexecfs.posix.Sockets;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A daemon's connection to its {@link Keeper}. To be used by one thread at a time; a thread of its own hears what the
 * keeper says, and that it has ended.
 *
 * <p>A message that was sent is in the keeper's queue, and stays there if this process ends: the keeper takes it in
 * before it serves another. So nothing waits for an answer, but for {@link #sync}.
 */
final class KeeperConnection implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(KeeperConnection.class);

    /** Milliseconds that a keeper may take for an answer: as long as it may be stopped, and longer. */
    private static final int PATIENCE = 60_000;

    private final Fd socket;
    private final Peer keeper;
    private final Fd stop = Fd.event();
    private final Messages sent = new Messages(Said.LONGEST);
    private final Messages received = new Messages(Said.LONGEST);
    private final Set<String> names = new LinkedHashSet<>();

    /** Of those: all, unless this process may not open so many. */
    private final Map<String, Fd> held = new LinkedHashMap<>();

    private long most;

    /** What the keeper said to a RETRIEVE. */
    private Optional<Messages.Message> retrieved = Optional.empty();

    private long syncs;
    private long synced;
    private boolean listening;
    private boolean closing;

    private KeeperConnection(Fd socket, Peer keeper) {
        this.socket = socket;
        this.keeper = keeper;
    }

    /**
     * Connects to the keeper that listens in a directory, and asks what it has.
     *
     * @throws ErrnoException ENOENT, ECONNREFUSED if there is none; EPIPE if it has ended, although its shadow may listen still; EAGAIN
     *     if nobody is let in; EBUSY if it serves another; EPERM if it refuses us, or is not ours; EIO if it does not answer
     */
    static KeeperConnection open(Path directory) {
        KeeperConnection connection = connected(Keeper.socket(directory));
        try {
            connection.checkKeeper(directory);
            connection.hello();
            return connection;
        } catch (RuntimeException e) {
            connection.closeHeld();
            connection.close();
            throw e;
        }
    }

    private static KeeperConnection connected(Path path) {
        Fd socket = Sockets.connectWithoutWaiting(path.toString());
        try {
            return new KeeperConnection(socket, Sockets.peer(socket));
        } catch (RuntimeException e) {
            socket.close();
            throw e;
        }
    }

    /** Whoever listens there gets all our files. */
    private void checkKeeper(Path directory) {
        Optional<String> refusal = Trust.refusal(keeper);
        checkAlive();
        refusal.ifPresent(why -> {
            throw new ErrnoException(Errno.EPERM, "the keeper in " + directory + " is not ours: " + why);
        });
    }

    /** Its end of the connection is open as long as its shadow lives, or who has taken that over: so the process itself is watched. */
    private void checkAlive() {
        if (keeper.process().map(Pidfd::hasEnded).orElse(true)) {
            throw ended();
        }
    }

    private static ErrnoException ended() {
        return new ErrnoException(Errno.EPIPE, "the keeper has ended");
    }

    private void hello() {
        try {
            send(Said.of(Said.Word.HELLO, ""), Optional.empty());
        } catch (ErrnoException e) {
            log.debug("the keeper has closed already: it said why, if it is for us to know");
        }
        Said answer = said(answer());
        switch (answer.word()) {
            case BUSY -> throw new ErrnoException(Errno.EBUSY, "the keeper serves another daemon; stop that one first");
            case REFUSED -> throw new ErrnoException(Errno.EPERM, "the keeper refuses us: " + answer.about());
            case HOLDS -> {
                String[] numbers = answer.about().split(" ");
                most = Long.parseLong(numbers[1]);
                for (long left = Long.parseLong(numbers[0]); left > 0; left--) {
                    Messages.Message file = answer();
                    String name = said(file).about();
                    names.add(name);
                    file.files().forEach(fd -> held.put(name, fd));
                }
            }
            default -> throw protocol();
        }
    }

    private Messages.Message answer() {
        List<Fd> ready = Poll.await(
                List.of(new Poll.Wanted(socket, Poll.POLLIN), new Poll.Wanted(end(), Poll.POLLIN)), PATIENCE);
        if (ready.isEmpty()) {
            throw new ErrnoException(Errno.EIO, "the keeper does not answer");
        }
        if (!ready.contains(socket)) {
            throw ended();
        }
        return received.receive(socket).orElseThrow(KeeperConnection::protocol);
    }

    /** Ready once the keeper has ended. */
    private Fd end() {
        return keeper.process().orElseThrow(KeeperConnection::ended).ended();
    }

    private static Said said(Messages.Message message) {
        return Said.read(message.bytes()).orElseThrow(KeeperConnection::protocol);
    }

    private static ErrnoException protocol() {
        return new ErrnoException(Errno.EIO, "the keeper says what no keeper says");
    }

    /** The names of what the keeper had when it was asked. */
    Set<String> names() {
        return names;
    }

    /**
     * What the keeper had when it was asked: the caller's to close.
     *
     * @throws ErrnoException EMFILE if it is more than this process may open: none is the caller's then
     */
    Map<String, Fd> held() {
        if (held.size() < names.size()) {
            throw tooMany();
        }
        return held;
    }

    /** For who knows what they are by their names. */
    void closeHeld() {
        held.values().forEach(Fd::close);
        held.clear();
    }

    /** How many files it can hold. */
    long most() {
        return most;
    }

    /**
     * Begins to listen.
     *
     * @param atEnd called, by the thread that listens, when the keeper has ended; not after {@link #close}
     */
    void listen(Consumer<KeeperConnection> atEnd) {
        listening = true;
        Thread.ofPlatform().daemon().name("keeper").start(() -> {
            hearUntilEnd();
            if (stopListening()) {
                atEnd.accept(this);
            }
        });
    }

    private void hearUntilEnd() {
        try {
            while (true) {
                List<Fd> ready = Poll.await(
                        List.of(
                                new Poll.Wanted(stop, Poll.POLLIN),
                                new Poll.Wanted(socket, Poll.POLLIN),
                                new Poll.Wanted(end(), Poll.POLLIN)),
                        Poll.FOREVER);
                // What it has said before its end is heard.
                if (ready.contains(stop) || !ready.contains(socket)) {
                    return;
                }
                received.receive(socket).ifPresent(this::hear);
            }
        } catch (ErrnoException e) {
            log.debug("the keeper's end: {}", e.getMessage());
        }
    }

    /** Whether it was the keeper that ended, and not the connection. */
    private synchronized boolean stopListening() {
        listening = false;
        notifyAll();
        if (closing) {
            closeDescriptors();
        }
        return !closing;
    }

    private synchronized void hear(Messages.Message message) {
        Said said = said(message);
        switch (said.word()) {
            case FILE, FAILED -> {
                retrieved = Optional.of(message);
                notifyAll();
            }
            case SYNCED -> {
                synced = Long.parseLong(said.about());
                notifyAll();
            }
            case LOST -> log.error("the keeper could not take {}: a crash of this process would lose it", said.about());
            default -> throw protocol();
        }
    }

    /** @throws ErrnoException EPIPE, ECONNRESET if the keeper has ended */
    void park(String name, Fd file) {
        send(Said.of(Said.Word.PARK, name), Optional.of(file));
    }

    /** @throws ErrnoException as {@link #park} */
    void release(String name) {
        send(Said.of(Said.Word.RELEASE, name), Optional.empty());
    }

    /** @throws ErrnoException as {@link #park} */
    void restartBy(List<String> command) {
        send(Said.of(Said.Word.RESTART, String.join("\n", command)), Optional.empty());
    }

    /**
     * Has the keeper retrieve a session of LUO, and hold it.
     *
     * @return the session's descriptor, the caller's to close; also if the keeper has it by that name already
     * @throws ErrnoException LUO's errno; EPIPE, ECONNRESET if the keeper has ended; EMFILE if this process may not open it: the
     *     keeper has it then
     */
    Fd retrieve(String name, String luo, String session) {
        retrieved = Optional.empty();
        send(Said.of(Said.Word.RETRIEVE, String.join("\n", name, luo, session)), Optional.empty());
        await(() -> retrieved.isPresent());
        Messages.Message answer = retrieved.orElseThrow();
        Said said = said(answer);
        if (said.word() == Said.Word.FAILED) {
            String[] words = said.about().split(" ", 2);
            throw new ErrnoException(Errno.valueOf(words[0]), words[1]);
        }
        return answer.files().stream().findFirst().orElseThrow(KeeperConnection::tooMany);
    }

    /** The kernel gives a message without its descriptor to who may open no more. */
    private static ErrnoException tooMany() {
        return new ErrnoException(
                Errno.EMFILE,
                "the keeper holds more files than this process may open; raise its limit (ulimit -Hn, LimitNOFILE=), then"
                        + " start it again");
    }

    /**
     * Asks the keeper to say when it has done all that it was told.
     *
     * @return what to {@link #awaitSynced} by
     * @throws ErrnoException as {@link #park}
     */
    long sync() {
        syncs++;
        send(Said.of(Said.Word.SYNC, syncs), Optional.empty());
        return syncs;
    }

    /**
     * Waits until it has said so. Others may speak to it meanwhile.
     *
     * @throws ErrnoException EPIPE if it has ended
     */
    void awaitSynced(long wanted) {
        await(() -> synced >= wanted);
    }

    private synchronized void await(BooleanSupplier heard) {
        boolean interrupted = false;
        while (!heard.getAsBoolean() && listening) {
            try {
                wait();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        if (!heard.getAsBoolean()) {
            throw ended();
        }
    }

    private void send(Said said, Optional<Fd> file) {
        while (true) {
            try {
                sent.send(socket, said.bytes(), file);
                return;
            } catch (ErrnoException e) {
                if (!e.is(Errno.EAGAIN)) {
                    throw e;
                }
                Poll.await(
                        List.of(new Poll.Wanted(socket, Poll.POLLOUT), new Poll.Wanted(end(), Poll.POLLIN)),
                        Poll.FOREVER);
                checkAlive();
            }
        }
    }

    /** Ends the connection; what the keeper holds it goes on to hold. */
    @Override
    public synchronized void close() {
        if (listening) {
            closing = true;
            stop.signal();
        } else {
            closeDescriptors();
        }
    }

    private void closeDescriptors() {
        socket.close();
        keeper.close();
        stop.close();
    }
}
