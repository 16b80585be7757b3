package org.kexecfs.fuse;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.kexecfs.mount.MountViews;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.Messages;
import org.kexecfs.posix.Poll;
import org.kexecfs.posix.Sockets;
import org.kexecfs.session.Session;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * {@code kexecfs.sock}: descriptors in and out of a session, over SCM_RIGHTS. doc/protocol.md says what is spoken.
 *
 * <p>One thread serves all clients and never waits for one: whoever sends half of something has sent nothing (messages are
 * whole), whoever does not read its answers is dropped, and of too many connections the longest idle one is closed.
 *
 * <p>Life cycle:
 *
 * <ol>
 *   <li>{@link #start}: the socket is bound, which the FUSE threads answer, through a mount of our own that is nowhere. A
 *       bound socket keeps the mount that it was bound through, and with it the filesystem: through the one that users see,
 *       umount(8) would fail with EBUSY for ever.
 *   <li>The thread serves clients, and is woken when mounts change. While the filesystem is mounted nowhere in our mount
 *       namespace, it looks once a second whether it is in another.
 *   <li>It is mounted nowhere: the socket is closed, and every connection. Nothing of ours keeps the filesystem then; it
 *       ends now, or with the last open file of a mount that was detached.
 * </ol>
 */
final class ControlSocket implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(ControlSocket.class);

    private static final int BACKLOG = 128;
    private static final int MOST_CLIENTS = 256;
    private static final int MOST_OF_ONE_USER = 64;
    private static final int SECOND = 1000;
    private static final int SOON = 50;

    private final Session session;
    private final MountViews mounts;
    private final SocketName name;
    private final Fd listener;
    private final Fd mountTable;
    private final Fd wake;
    private final Messages messages = new Messages(SocketRequest.LONGEST);
    /** The longest idle first. */
    private final Set<SocketClient> clients = new LinkedHashSet<>();

    private final Thread thread;
    private volatile boolean stopping;
    private boolean mountedHere = true;
    private boolean accepting = true;

    private ControlSocket(Session session, MountViews mounts, SocketName name, Fd listener, Fd mountTable, Fd wake) {
        this.session = session;
        this.mounts = mounts;
        this.name = name;
        this.listener = listener;
        this.mountTable = mountTable;
        this.wake = wake;
        this.thread = new Thread(this::serve, "kexecfs-sock");
        thread.setDaemon(true);
    }

    /**
     * Begins to listen. The filesystem must be served already, by other threads.
     *
     * @param own a mount of the filesystem that is nowhere; the caller's to close, any time later
     * @throws ErrnoException as bind(2)
     */
    static ControlSocket start(Session session, MountViews mounts, SocketName name, Fd own) {
        name.expect();
        List<Fd> open = new ArrayList<>();
        try {
            // First, so that no change of the mounts is missed.
            open.add(MountViews.openOwn());
            open.add(Fd.event());
            open.add(Sockets.listen("/proc/self/fd/" + own.number() + "/" + SocketName.NAME, BACKLOG));
        } catch (RuntimeException e) {
            open.forEach(Fd::close);
            name.remove();
            throw e;
        }
        ControlSocket socket = new ControlSocket(session, mounts, name, open.get(2), open.get(0), open.get(1));
        socket.thread.start();
        return socket;
    }

    private void serve() {
        try {
            lookForMounts();
            while (!stopping) {
                turn(Poll.await(wanted(), timeout()));
            }
        } catch (RuntimeException | Error e) {
            log.error("{} cannot be served any longer", SocketName.NAME, e);
        } finally {
            name.remove();
            clients.forEach(SocketClient::close);
            listener.close();
            mountTable.close();
        }
    }

    private List<Poll.Wanted> wanted() {
        List<Poll.Wanted> wanted = new ArrayList<>();
        wanted.add(new Poll.Wanted(wake, Poll.POLLIN));
        wanted.add(new Poll.Wanted(mountTable, Poll.POLLPRI));
        if (accepting) {
            wanted.add(new Poll.Wanted(listener, Poll.POLLIN));
        }
        clients.stream()
                .filter(client -> !client.isBusy() && !client.isClosed())
                .forEach(client -> wanted.add(new Poll.Wanted(client.connection(), Poll.POLLIN)));
        return wanted;
    }

    private int timeout() {
        if (!accepting || clients.stream().anyMatch(SocketClient::isBusy)) {
            return SOON;
        }
        return mountedHere ? Poll.FOREVER : SECOND;
    }

    private void turn(List<Fd> ready) {
        clients.removeIf(client -> client.isClosed() && !client.isBusy());
        if (ready.contains(mountTable) || !mountedHere) {
            lookForMounts();
        }
        for (SocketClient client : List.copyOf(clients)) {
            if (ready.contains(client.connection())) {
                serve(client);
            }
        }
        accepting = true;
        if (ready.contains(listener)) {
            accept();
        }
    }

    private void lookForMounts() {
        mountedHere = mounts.isMountedHere();
        if (!mountedHere && !mounts.isMountedAnywhere()) {
            stopping = true;
        }
    }

    /** One message each time it is a client's turn. */
    private void serve(SocketClient client) {
        try {
            Optional<Messages.Message> message = messages.receive(client.connection());
            if (message.isPresent()) {
                clients.remove(client);
                clients.add(client);
                try (SocketAnswer answer = client.answer(message.get())) {
                    messages.send(client.connection(), answer.text(), answer.file());
                }
            }
        } catch (ErrnoException e) {
            // It has closed, or does not read.
            log.debug("a client of {} is dropped: {}", SocketName.NAME, e.getMessage());
            drop(client);
        } catch (RuntimeException e) {
            log.error("a request over {} failed in a way it should not; please report this", SocketName.NAME, e);
            drop(client);
        }
    }

    /** A busy client has a thread that lasts longer than its connection: it counts until that has ended. */
    private void drop(SocketClient client) {
        client.close();
        if (!client.isBusy()) {
            clients.remove(client);
        }
    }

    private void accept() {
        try {
            Optional<Fd> connection = Sockets.accept(listener);
            connection.ifPresent(this::admit);
        } catch (ErrnoException e) {
            // No descriptor is left: a client's may do, or there is one a little later.
            log.debug("{}: {}", SocketName.NAME, e.getMessage());
            accepting = false;
            longestIdle(Optional.empty()).ifPresent(this::drop);
        }
    }

    private void admit(Fd connection) {
        try {
            SocketClient client = new SocketClient(session, mounts, connection);
            long ofUser = clients.stream().filter(c -> c.uid() == client.uid()).count();
            if (ofUser >= MOST_OF_ONE_USER && !makeRoom(Optional.of(client.uid()))
                    || clients.size() >= MOST_CLIENTS && !makeRoom(Optional.empty())) {
                client.close();
                return;
            }
            clients.add(client);
        } catch (RuntimeException e) {
            connection.close();
            throw e;
        }
    }

    /** Makes room for one more: false if all are busy. */
    private boolean makeRoom(Optional<Integer> uid) {
        Optional<SocketClient> idle = longestIdle(uid);
        idle.ifPresent(this::drop);
        return idle.isPresent();
    }

    private Optional<SocketClient> longestIdle(Optional<Integer> uid) {
        return clients.stream()
                .filter(client -> !client.isBusy())
                .filter(client -> uid.isEmpty() || uid.get() == client.uid())
                .findFirst();
    }

    /** Ends it, and every connection. Again is nothing. */
    @Override
    public void close() {
        if (thread.isAlive()) {
            stopping = true;
            wake.signal();
        }
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        wake.close();
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
