package org.kexecfs.tool;

import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.kexecfs.daemon.Answer;
import org.kexecfs.daemon.Client;
import org.kexecfs.daemon.Request;
import org.kexecfs.mount.MountTable.MountedSession;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.Peer;
import org.kexecfs.posix.Sockets;

/**
 * Waits for the end of a session, and from before it is unmounted, so that no end is missed. The kernel does not wait for a
 * FUSE server: but who mounts the session again at once must find it ended.
 */
final class Waiting implements AutoCloseable {
    private static final long SECONDS_FOR_THE_END = 30;

    private final MountedSession mount;
    private final Optional<Client> daemon;
    private final CompletableFuture<?> end;

    private Waiting(MountedSession mount, Optional<Client> daemon, CompletableFuture<?> end) {
        this.mount = mount;
        this.daemon = daemon;
        this.end = end;
    }

    /** Begins. Who serves the mount is the daemon, or a process of its own; a dead mount has ended. */
    static Waiting forEndOf(MountedSession mount) {
        Optional<Client> daemon = Kexecfsd.connect();
        if (daemon.isPresent()) {
            Client client = daemon.get();
            if (client.ask(new Request.AwaitEnd(mount.device())).orElse(null) instanceof Answer.Waiting) {
                return new Waiting(mount, daemon, CompletableFuture.runAsync(client::next));
            }
            client.close();
        }
        CompletableFuture<?> end = server(mount)
                .<CompletableFuture<?>>map(ProcessHandle::onExit)
                .orElseGet(() -> CompletableFuture.completedFuture(null));
        return new Waiting(mount, Optional.empty(), end);
    }

    /** Who serves the mount: who listens on its socket. */
    private static Optional<ProcessHandle> server(MountedSession mount) {
        String socket = mount.directory().resolve("kexecfs.sock").toString();
        try (Fd connection = Sockets.connect(socket);
                Peer peer = Sockets.peer(connection)) {
            return ProcessHandle.of(peer.pid());
        } catch (ErrnoException e) {
            // It is dead, or does not speak to us: there is nobody to wait for.
            return Optional.empty();
        }
    }

    /**
     * Returns when the session has ended.
     *
     * @throws ToolException with {@link Exit#BUSY} if it takes too long
     */
    void await() {
        try {
            end.get(SECONDS_FOR_THE_END, TimeUnit.SECONDS);
        } catch (TimeoutException e) {
            throw new ToolException(
                    Exit.BUSY,
                    mount.session() + " is unmounted here, but its session has not ended: another mount namespace may"
                            + " have it, or a process a file of it open",
                    e);
        } catch (ExecutionException e) {
            throw new IllegalStateException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @Override
    public void close() {
        daemon.ifPresent(Client::close);
    }
}
