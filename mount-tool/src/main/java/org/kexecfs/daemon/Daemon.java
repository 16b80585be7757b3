package org.kexecfs.daemon;

import java.nio.file.Files;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.kexecfs.keep.Keep;
import org.kexecfs.mount.RuntimeDirectory;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.Poll;
import org.kexecfs.posix.Sockets;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * {@code kexecfsd}: serves all mounts of a host.
 *
 * <p>Life cycle:
 *
 * <ol>
 *   <li>{@link #start}: the lock of the runtime directory is taken, which refuses a second daemon, and then its socket is
 *       made, which clients find.
 *   <li>What a daemon before has left with the keeper is mounted again, where it was: {@link Keep}.
 *   <li>{@link #run}: each connection has a thread, asks for one thing ({@link Request}) and is gone. A mount goes on without
 *       one, until it is unmounted, by whomever.
 *   <li>The end: {@link #stop}, or nothing to serve and nobody asking for a while; as with the services that systemd starts on
 *       demand, the next client starts the next daemon. The name of the socket goes first: a client that comes too late
 *       finds nobody, waits for the lock, and starts another.
 *   <li>{@link #close}: sessions that are still mounted end. Under systemd, which keeps them ({@link Keep#outlivesStop}), they
 *       are left as they are, and the next daemon goes on with them: that is a restart, and an upgrade. And if a kexec is
 *       coming they are prepared for it.
 * </ol>
 *
 * <p>No locks: the thread in {@link #run} accepts, connections share {@link ServedMounts} only.
 */
public final class Daemon implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(Daemon.class);

    private static final int BACKLOG = 1024;
    private static final int STACK_SIZE = 512 * 1024;

    /** How long a daemon that is ending may take to let go of the lock. */
    private static final Duration PATIENCE = Duration.ofSeconds(3);

    /** How long clients that are being served when it ends may take. */
    private static final Duration CLIENTS_PATIENCE = Duration.ofSeconds(10);

    /** After a failed accept, until a descriptor may be free again. */
    private static final int SOON = 50;

    private final Address address;
    private final DaemonLock lock;
    private final Fd listener;
    private final Fd wake = Fd.event();
    private final ServiceManager manager;
    private final Keep keep;
    private final ServedMounts mounts;
    private final AtomicInteger connections = new AtomicInteger();
    private final ExecutorService threads;
    private volatile boolean stopping;

    /** Guarded by this. */
    private boolean closed;

    private Daemon(
            Address address, DaemonLock lock, Fd listener, Keep keep, ServiceManager manager, ThreadFactory threads) {
        this.address = address;
        this.lock = lock;
        this.listener = listener;
        this.keep = keep;
        this.manager = manager;
        this.threads = Executors.newCachedThreadPool(threads);
        this.mounts = new ServedMounts(keep, new OwnMounts(address.mounts()), this::tellStatus);
    }

    /**
     * Takes the lock, and listens: from here on clients wait for an answer.
     *
     * @throws ErrnoException EBUSY if another daemon runs there; EACCES, EROFS, ENOSPC for the directory; ENAMETOOLONG if the
     *     socket's path has more than 107 bytes; and as {@link Keep#open}
     */
    public static Daemon start(Address address) {
        return start(
                address, System.getenv("NOTIFY_SOCKET"), task -> new Thread(null, task, "kexecfsd-client", STACK_SIZE));
    }

    /**
     * {@link #start(Address)}, in another environment.
     *
     * @param notifySocket NOTIFY_SOCKET; null if it is not set
     * @param threads makes those that serve clients
     */
    static Daemon start(Address address, String notifySocket, ThreadFactory threads) {
        RuntimeDirectory.make(address.directory());
        DaemonLock lock = DaemonLock.take(address.lock(), PATIENCE, () -> isServed(address));
        ServiceManager manager = new ServiceManager(notifySocket);
        try {
            remove(address);
            Fd listener = Sockets.listenStream(address.socket().toString(), BACKLOG);
            try {
                return new Daemon(address, lock, listener, Keep.open(address.directory()), manager, threads);
            } catch (RuntimeException e) {
                listener.close();
                throw e;
            }
        } catch (RuntimeException e) {
            manager.close();
            lock.close();
            throw e;
        }
    }

    /** One that is ending takes away its socket first. */
    private static boolean isServed(Address address) {
        try (Client client = Client.connect(address).orElse(null)) {
            return client != null;
        }
    }

    /** Has it started again should it be killed, where nobody else sees to that ({@link Keep#restartBy}). */
    public void restartBy(List<String> command) {
        keep.restartBy(command);
    }

    /** Whoever holds the lock owns the name: what is there was left by one that was killed. */
    private static void remove(Address address) {
        try {
            Files.deleteIfExists(address.socket());
        } catch (java.io.IOException e) {
            log.warn("{} cannot be removed: {}", address.socket(), e.getMessage());
        }
    }

    /**
     * Serves until {@link #stop}, or until there is nothing to do.
     *
     * @param idle with no mount and no client for as long as this, it ends; zero: never
     */
    public void run(Duration idle) {
        log.info("kexecfsd listens on {}", address.socket());
        mounts.heal();
        manager.ready();
        tellStatus();
        int patience = idle.isZero() ? Poll.FOREVER : (int) idle.toMillis();
        while (!stopping) {
            List<Fd> ready = Poll.await(
                    List.of(new Poll.Wanted(wake, Poll.POLLIN), new Poll.Wanted(listener, Poll.POLLIN)), patience);
            if (ready.contains(listener)) {
                accept();
            } else if (ready.isEmpty() && mounts.count() == 0 && connections.get() == 0) {
                log.info("nothing is mounted, and nobody asks: kexecfsd ends");
                return;
            }
        }
    }

    private void accept() {
        try {
            Optional<Fd> connection = Sockets.accept(listener);
            connection.ifPresent(this::serve);
        } catch (ErrnoException e) {
            log.warn("{}: {}", address.socket(), e.getMessage());
            Poll.await(List.of(new Poll.Wanted(wake, Poll.POLLIN)), SOON);
        }
    }

    private void serve(Fd connection) {
        connections.incrementAndGet();
        try {
            threads.execute(() -> {
                try (Connection client = new Connection(connection)) {
                    client.serve(mounts);
                } finally {
                    connections.decrementAndGet();
                }
            });
        } catch (OutOfMemoryError e) {
            connections.decrementAndGet();
            connection.close();
            log.error("a client gets no answer, for no further thread can be started; raise TasksMax= or pids.max", e);
        }
    }

    /** Lets {@link #run} return. From any thread, any number of times, and nothing once this is closed. */
    public synchronized void stop() {
        if (!closed) {
            stopping = true;
            wake.signal();
        }
    }

    private void tellStatus() {
        manager.status(mounts.count() + " mounts");
    }

    /** One may wait for the end of a mount that somebody uses: not for ever. */
    private void awaitClients() {
        threads.shutdown();
        try {
            if (!threads.awaitTermination(CLIENTS_PATIENCE.toMillis(), TimeUnit.MILLISECONDS)) {
                log.warn("{} clients get no answer any more", connections.get());
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Takes no further client, waits for those that are being served, and ends all sessions, or leaves them to the keep. */
    @Override
    public void close() {
        manager.stopping();
        remove(address);
        listener.close();
        awaitClients();
        mounts.closeAll();
        keep.close();
        manager.close();
        lock.close();
        closeWake();
    }

    private synchronized void closeWake() {
        closed = true;
        wake.close();
    }
}
