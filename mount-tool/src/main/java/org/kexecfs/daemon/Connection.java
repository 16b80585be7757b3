package org.kexecfs.daemon;

import java.io.ByteArrayOutputStream;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import jnr.constants.platform.linux.Errno;
import jnr.ffi.Pointer;
import org.kexecfs.fuse.KexecFsMount;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.FileStatus;
import org.kexecfs.posix.Messages;
import org.kexecfs.posix.Peer;
import org.kexecfs.posix.Poll;
import org.kexecfs.posix.Sockets;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A client of the daemon, from its request to its answer. Used by one thread; answers may come from several. */
final class Connection implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(Connection.class);

    /** How long a client may take to say what it wants, and to read what it is told. */
    private static final Duration PATIENCE = Duration.ofSeconds(10);

    private static final String DEAF = "the client does not read what it is told";

    private final Fd socket;
    private final Duration patience;

    /** Whether it has not read what it was told: it is told nothing more, and waited for no more. Guarded by this. */
    private boolean deaf;

    /**
     * @param socket just accepted; closed with this
     */
    Connection(Fd socket) {
        this(socket, PATIENCE);
    }

    Connection(Fd socket, Duration patience) {
        this.socket = socket;
        this.patience = patience;
    }

    /** Does what the client asks for, and answers. */
    void serve(ServedMounts mounts) {
        try {
            answer(
                    () -> {
                        // Read even from whoever is refused: closed with something unread, the socket gives no answer.
                        byte[] request = receive();
                        requireAdmitted();
                        return Request.parse(request);
                    },
                    mounts);
        } catch (ErrnoException e) {
            log.debug("a client is gone: {}", e.getMessage());
        }
    }

    private interface Asked {
        Request get();
    }

    private void answer(Asked asked, ServedMounts mounts) {
        try {
            switch (asked.get()) {
                case Request.Mount mount -> mounts.mount(mount);
                case Request.Drop drop -> mounts.drop(drop.emulation());
                case Request.Heal heal -> mounts.requireHealed();
                case Request.WriteAll write -> mounts.writeAll(write, this::send);
                case Request.AwaitEnd await -> awaitEnd(mounts, await.device());
            }
            send(new Answer.Done());
        } catch (ErrnoException e) {
            send(Answer.Failed.of(e));
        } catch (RuntimeException | Error e) {
            log.error("a request failed in a way it should not; please report this", e);
            send(new Answer.Failed(Errno.EIO, "kexecfsd's log says more: " + e));
        }
    }

    private void awaitEnd(ServedMounts mounts, long device) {
        KexecFsMount mount = mounts.find(device)
                .orElseThrow(() -> new ErrnoException(Errno.ENOENT, "kexecfsd serves no such mount"));
        send(new Answer.Waiting());
        mount.ended().join();
        mounts.awaitKeep();
    }

    /**
     * Returns if the client may ask for anything: it is root, and sees the same files as we do, for it names a directory and
     * we mount on it.
     *
     * @throws ErrnoException EPERM if it is not root; EXDEV if it sees others
     */
    private void requireAdmitted() {
        try (Peer peer = Sockets.peer(socket)) {
            if (peer.uid() != 0) {
                throw new ErrnoException(Errno.EPERM, "kexecfsd serves root only, and not user " + peer.uid());
            }
            if (!seesOurFiles(peer)) {
                throw new ErrnoException(
                        Errno.EXDEV,
                        "kexecfsd is in another mount namespace, or has another root directory, and cannot mount where"
                                + " its client is; 'kexecfs mount -f' serves one mount from where it is started");
            }
        }
    }

    private static boolean seesOurFiles(Peer peer) {
        try {
            return same(peer.pid(), "ns/mnt") && same(peer.pid(), "root") && peer.isAlive();
        } catch (ErrnoException e) {
            return false;
        }
    }

    private static boolean same(int pid, String link) {
        return FileStatus.of("/proc/" + pid + "/" + link)
                .id()
                .equals(FileStatus.of("/proc/self/" + link).id());
    }

    private byte[] receive() {
        ByteArrayOutputStream request = new ByteArrayOutputStream();
        Pointer buffer = Fd.allocate(Request.LONGEST);
        long deadline = System.nanoTime() + patience.toNanos();
        while (true) {
            await(Poll.POLLIN, deadline, "the client says nothing");
            byte[] part = new byte[(int) socket.read(buffer, Request.LONGEST)];
            if (part.length == 0) {
                return request.toByteArray();
            }
            buffer.get(0, part, 0, part.length);
            request.writeBytes(part);
            if (request.size() > Request.LONGEST) {
                throw new ErrnoException(Errno.EMSGSIZE, "a request of more than " + Request.LONGEST + " bytes");
            }
        }
    }

    private void await(int event, long deadline, String otherwise) {
        long left = Math.max(0, Duration.ofNanos(deadline - System.nanoTime()).toMillis());
        if (Poll.await(List.of(new Poll.Wanted(socket, event)), (int) left).isEmpty()) {
            throw new ErrnoException(Errno.ETIMEDOUT, otherwise);
        }
    }

    /** Those that work on many sessions tell each of it, one after the other: they wait for a client that is stopped once, and not for each. */
    private void awaitRoom(long deadline) {
        try {
            await(Poll.POLLOUT, deadline, DEAF);
        } catch (ErrnoException e) {
            deaf = e.is(Errno.ETIMEDOUT);
            throw e;
        }
    }

    /**
     * Sends an answer, after those before it.
     *
     * @throws ErrnoException EPIPE, ECONNRESET if the client is gone; ETIMEDOUT if it does not read
     */
    synchronized void send(Answer answer) {
        if (deaf) {
            throw new ErrnoException(Errno.ETIMEDOUT, DEAF);
        }
        byte[] line = Fd.utf8(answer.line());
        Messages messages = new Messages(line.length);
        long deadline = System.nanoTime() + patience.toNanos();
        while (true) {
            try {
                messages.send(socket, line, Optional.empty());
                return;
            } catch (ErrnoException e) {
                if (!e.is(Errno.EAGAIN)) {
                    throw e;
                }
                awaitRoom(deadline);
            }
        }
    }

    @Override
    public void close() {
        socket.close();
    }
}
