package org.kexecfs.fuse;

import java.util.Optional;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.mount.MountViews;
import org.kexecfs.posix.Epoll;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.Messages.Message;
import org.kexecfs.posix.Peer;
import org.kexecfs.posix.Sockets;
import org.kexecfs.session.OpenFile;
import org.kexecfs.session.Session;

/**
 * One connection to kexecfs.sock: who connected it, and what it may do. Used by one thread at a time.
 *
 * <p>While files that came with a message are being closed, by another thread, it is <em>busy</em>: nothing is read from it.
 */
final class SocketClient implements AutoCloseable {
    /** What may wait for a client that does not read: a few answers. */
    private static final int UNREAD = 8192;

    private final Session session;
    private final Validity validity;
    private final Fd connection;
    private final Epoll.Member member;
    private final Credentials who;
    private final Optional<ErrnoException> readOnly;
    private volatile boolean closingFiles;
    private boolean resting;
    private boolean closed;

    /**
     * @param connection just accepted; the client's to close
     * @param epoll where it will be waited for, from {@link #listen} on, under {@code key}
     */
    SocketClient(Session session, Validity validity, MountViews mounts, Fd connection, Epoll epoll, long key) {
        this.session = session;
        this.validity = validity;
        this.connection = connection;
        this.member = epoll.member(connection, Epoll.IN, key);
        Sockets.limitUnread(connection, UNREAD);
        try (Peer peer = Sockets.peer(connection)) {
            this.who = Credentials.of(peer);
            this.readOnly = readOnly(mounts, peer);
        }
    }

    /** Why it may change nothing, if it may not; asked now, for the process may be gone later. */
    private static Optional<ErrnoException> readOnly(MountViews mounts, Peer peer) {
        try {
            mounts.requireWritableFor(peer.pid());
            return peer.isAlive()
                    ? Optional.empty()
                    : Optional.of(new ErrnoException(Errno.EROFS, "whoever connected ended too soon to be looked at"));
        } catch (ErrnoException e) {
            return Optional.of(e);
        }
    }

    Fd connection() {
        return connection;
    }

    /** It is waited for. */
    void listen() {
        member.add();
    }

    /** It is not waited for, until {@link #resume}. */
    void rest() {
        resting = true;
        member.remove();
    }

    /** It is waited for again, if it was not. */
    void resume() {
        if (resting) {
            resting = false;
            member.add();
        }
    }

    int uid() {
        return who.uid();
    }

    /** Whether its files are being closed: until then nothing more is read from it. */
    boolean isBusy() {
        return closingFiles;
    }

    /**
     * Does what a message asks for, and closes what came with it.
     *
     * @param whenClosed is called then: before this returns, or later by another thread
     */
    SocketAnswer answer(Message message, Runnable whenClosed) {
        try {
            return answer(SocketRequest.parse(message.bytes()), message);
        } catch (ErrnoException e) {
            return SocketAnswer.error(e);
        } finally {
            closeFiles(message, whenClosed);
        }
    }

    private SocketAnswer answer(SocketRequest request, Message message) {
        boolean wanted = request instanceof SocketRequest.Preserve;
        if (!message.whole() || message.files().size() != (wanted ? 1 : 0)) {
            throw new ErrnoException(
                    Errno.EINVAL,
                    "preserve comes with one descriptor, open with none, and neither is longer than "
                            + SocketRequest.LONGEST + " bytes");
        }
        return switch (request) {
            case SocketRequest.Preserve preserve -> {
                preserve(preserve, message.files().getFirst());
                yield SocketAnswer.ok();
            }
            case SocketRequest.Open open -> SocketAnswer.ok(open(open));
        };
    }

    private void preserve(SocketRequest.Preserve request, Fd file) {
        requireWritable();
        session.atomically(() -> {
            new AccessCheck(session, who).create(request.path());
            session.adopt(file, request.path(), PreserveCommand.MODE, who.uid(), who.gid());
            return null;
        });
        validity.changed();
    }

    private Fd open(SocketRequest.Open request) {
        if (request.write()) {
            requireWritable();
        }
        return session.atomically(() -> {
            int wanted = Credentials.READ | (request.write() ? Credentials.WRITE : 0);
            new AccessCheck(session, who).open(request.path(), wanted);
            try (OpenFile file = session.open(request.path(), request.write())) {
                return request.write() ? HandOut.readWrite(file.file()) : HandOut.readOnly(file.file());
            }
        });
    }

    private void requireWritable() {
        readOnly.ifPresent(why -> {
            throw why;
        });
    }

    /** While that takes its time, it is only this client that waits. */
    private void closeFiles(Message message, Runnable whenClosed) {
        closingFiles = true;
        ForeignFiles.close(message.files(), who.uid(), () -> {
            closingFiles = false;
            whenClosed.run();
        });
    }

    boolean isClosed() {
        return closed;
    }

    @Override
    public void close() {
        closed = true;
        connection.close();
    }
}
