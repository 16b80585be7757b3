package org.kexecfs.daemon;

import java.util.Optional;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.Messages;
import org.kexecfs.posix.Sockets;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Who started a daemon and wants to know how it is: systemd, by a socket that it names (sd_notify(3)). Where it names none,
 * nobody is told. Safe for use by several threads.
 */
public final class ServiceManager implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(ServiceManager.class);

    private static final int LONGEST = 512;

    private final Optional<Fd> socket;
    private final Messages messages = new Messages(LONGEST);

    /** That of this process's environment. */
    public static ServiceManager ours() {
        return new ServiceManager(System.getenv("NOTIFY_SOCKET"));
    }

    /**
     * @param notifySocket NOTIFY_SOCKET of the environment; null if it is not set
     */
    ServiceManager(String notifySocket) {
        this.socket = Optional.ofNullable(notifySocket)
                .filter(path -> !path.isEmpty())
                .map(Sockets::connectDatagram);
    }

    /** It serves. */
    public void ready() {
        say("READY=1");
    }

    /** How it is, in words. */
    void status(String words) {
        say("STATUS=" + words);
    }

    /** It ends. */
    public void stopping() {
        say("STOPPING=1");
    }

    private synchronized void say(String what) {
        socket.ifPresent(fd -> {
            try {
                messages.send(fd, Fd.utf8(what), Optional.empty());
            } catch (ErrnoException e) {
                log.debug("{} is not told: {}", what, e.getMessage());
            }
        });
    }

    @Override
    public void close() {
        socket.ifPresent(Fd::close);
    }
}
