package org.kexecfs.fuse;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Predicate;
import org.kexecfs.mount.MountViews;
import org.kexecfs.posix.Epoll;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.Messages;
import org.kexecfs.posix.Sockets;
import org.kexecfs.session.Session;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * {@code kexecfs.sock}: descriptors in and out of a session, over SCM_RIGHTS. doc/protocol.md says what is spoken.
 *
 * <p>One thread at a time serves the clients of a session, and never waits for one: whoever sends half of something has sent
 * nothing (messages are whole), whoever does not read its answers is dropped, and of too many connections the longest idle one
 * is closed.
 *
 * <p>Life cycle:
 *
 * <ol>
 *   <li>{@link #start}: the socket is bound, which the FUSE threads answer, through a mount of our own that is nowhere. A
 *       bound socket keeps the mount that it was bound through, and with it the filesystem: through the one that users see,
 *       umount(8) would fail with EBUSY for ever.
 *   <li>{@link Workers} wait for clients.
 *   <li>{@link MountWatch} says that the filesystem is mounted nowhere: the socket is closed, and every connection. Nothing of ours keeps the filesystem then; it
 *       ends now, or with the last open file of a mount that was detached.
 * </ol>
 *
 * <p>{@code lock} is held by the thread that serves, and by {@link #close}; locks of the session are taken under it.
 */
final class ControlSocket implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(ControlSocket.class);

    private static final int BACKLOG = 128;
    private static final int MOST_CLIENTS = 256;
    private static final int MOST_OF_ONE_USER = 64;
    private static final int MOST_AT_ONCE = 64;
    private static final Duration SOON = Duration.ofMillis(50);

    /** Its key in {@code epoll}; those of clients follow. */
    private static final long LISTENER = 0;

    private final Workers workers = Workers.ofThisProcess();
    private final ReentrantLock lock = new ReentrantLock();
    private final Session session;
    private final Validity validity;
    private final MountViews mounts;
    private final SocketName name;
    private final Fd listener;
    private final Epoll epoll = new Epoll();
    private final Epoll.Member listening;
    private final Epoll.Waiter waiter = epoll.waiter(MOST_AT_ONCE);
    private final Workers.Watch watch = workers.watch(epoll.fd(), Epoll.IN, this::ready);
    private final Runnable whenNowhere;
    private final Messages messages = new Messages(SocketRequest.LONGEST);
    /** By their keys, the longest idle first. */
    private final SequencedMap<Long, SocketClient> clients = new LinkedHashMap<>();

    private long lastKey = LISTENER;
    private boolean closed;

    private ControlSocket(
            Session session, Validity validity, MountViews mounts, SocketName name, Fd listener, Runnable whenNowhere) {
        this.whenNowhere = () -> {
            close();
            whenNowhere.run();
        };
        this.session = session;
        this.validity = validity;
        this.mounts = mounts;
        this.name = name;
        this.listener = listener;
        this.listening = epoll.member(listener, Epoll.IN, LISTENER);
    }

    /**
     * Begins to listen. The filesystem must be served already, by other threads.
     *
     * @param own a mount of the filesystem that is nowhere; the caller's to close, any time later
     * @param whenNowhere is done when the filesystem is mounted nowhere any more
     * @throws ErrnoException as bind(2)
     */
    static ControlSocket start(
            Session session, Validity validity, MountViews mounts, SocketName name, Fd own, Runnable whenNowhere) {
        name.expect();
        Fd listener;
        try {
            listener = Sockets.listenApart("/proc/self/fd/" + own.number() + "/" + SocketName.NAME, BACKLOG);
        } catch (RuntimeException e) {
            name.remove();
            throw e;
        }
        ControlSocket socket = new ControlSocket(session, validity, mounts, name, listener, whenNowhere);
        socket.listening.add();
        socket.watch.arm();
        MountWatch.ofThisProcess().whenNowhere(mounts.device(), socket.whenNowhere);
        return socket;
    }

    private void ready() {
        unlessClosed(() -> {
            waiter.await(0).forEach(this::ready);
            if (!closed) {
                watch.arm();
            }
        });
    }

    private void unlessClosed(Runnable what) {
        lock.lock();
        try {
            if (!closed) {
                what.run();
            }
        } catch (RuntimeException | Error e) {
            log.error("{} cannot be served any longer", SocketName.NAME, e);
            close();
        } finally {
            lock.unlock();
        }
    }

    private void ready(long key) {
        if (key == LISTENER) {
            accept();
        } else if (clients.containsKey(key)) {
            serve(key, clients.get(key));
        }
    }

    /** One message each time it is a client's turn. */
    private void serve(long key, SocketClient client) {
        try {
            Optional<Messages.Message> message = messages.receive(client.connection());
            if (message.isPresent()) {
                clients.putLast(key, client);
                try (SocketAnswer answer = client.answer(message.get(), () -> freed(key))) {
                    messages.send(client.connection(), answer.text(), answer.file());
                }
                if (client.isBusy()) {
                    client.rest();
                }
            }
        } catch (ErrnoException e) {
            // It has closed, or does not read.
            log.debug("a client of {} is dropped: {}", SocketName.NAME, e.getMessage());
            drop(key, client);
        } catch (RuntimeException e) {
            log.error("a request over {} failed in a way it should not; please report this", SocketName.NAME, e);
            drop(key, client);
        }
    }

    /** A client's files were closed. If it was by another thread, the client may have been put to rest, or dropped. */
    private void freed(long key) {
        if (!lock.isHeldByCurrentThread()) {
            workers.execute(() -> unlessClosed(() -> {
                SocketClient client = clients.get(key);
                if (client != null && client.isClosed()) {
                    clients.remove(key);
                } else if (client != null) {
                    client.resume();
                }
            }));
        }
    }

    /** A busy client has a thread that lasts longer than its connection: it counts until that has ended. */
    private void drop(long key, SocketClient client) {
        client.close();
        if (!client.isBusy()) {
            clients.remove(key);
        }
    }

    private void accept() {
        try {
            Optional<Fd> connection = Sockets.accept(listener);
            connection.ifPresent(this::admit);
        } catch (ErrnoException e) {
            // No descriptor is left: a client's may do, or there is one a little later.
            log.debug("{}: {}", SocketName.NAME, e.getMessage());
            longestIdle(client -> true).ifPresent(this::drop);
            listening.remove();
            workers.later(SOON, () -> unlessClosed(listening::add));
        }
    }

    private void admit(Fd connection) {
        try {
            long key = ++lastKey;
            SocketClient client = new SocketClient(session, validity, mounts, connection, epoll, key);
            Predicate<SocketClient> same = other -> other.uid() == client.uid();
            if (clients.values().stream().filter(same).count() >= MOST_OF_ONE_USER && !makeRoom(same)
                    || clients.size() >= MOST_CLIENTS && !makeRoom(other -> true)) {
                client.close();
                return;
            }
            clients.put(key, client);
            client.listen();
        } catch (RuntimeException e) {
            connection.close();
            throw e;
        }
    }

    /** Makes room for one more: false if all are busy. */
    private boolean makeRoom(Predicate<SocketClient> which) {
        Optional<Long> idle = longestIdle(which);
        idle.ifPresent(this::drop);
        return idle.isPresent();
    }

    private void drop(long key) {
        drop(key, clients.get(key));
    }

    private Optional<Long> longestIdle(Predicate<SocketClient> which) {
        return clients.entrySet().stream()
                .filter(client -> !client.getValue().isBusy() && which.test(client.getValue()))
                .map(Map.Entry::getKey)
                .findFirst();
    }

    /** Ends it, and every connection. Again is nothing. */
    @Override
    public void close() {
        lock.lock();
        try {
            if (closed) {
                return;
            }
            closed = true;
            MountWatch.ofThisProcess().forget(mounts.device(), whenNowhere);
            watch.remove();
            name.remove();
            clients.values().forEach(SocketClient::close);
            listener.close();
            epoll.close();
        } finally {
            lock.unlock();
        }
    }
}
