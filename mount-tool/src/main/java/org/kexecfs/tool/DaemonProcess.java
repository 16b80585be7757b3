package org.kexecfs.tool;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import org.kexecfs.daemon.Address;
import org.kexecfs.daemon.Daemon;
import org.kexecfs.fuse.KexecFsMount;
import org.kexecfs.log.Provider;
import org.kexecfs.posix.ErrnoException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * This process, as kexecfsd.
 *
 * @param idle with nothing to serve for so long it ends; zero: never
 * @param unattended whether it writes its own log, and is to be started again should it be killed
 * @param ready who waits for it
 */
record DaemonProcess(Duration idle, boolean unattended, ReadyFd ready) {
    private static final Logger log = LoggerFactory.getLogger(DaemonProcess.class);

    static final int IDLE_SECONDS = 30;

    /** The exit code after a fault. */
    private static final int FAILED = 1;

    private static final List<String> UNATTENDED = List.of("daemon", "--unattended");
    private static final List<String> AWAITED = List.of("daemon", "--unattended", "--ready-fd");

    /**
     * What a client asks for, or a keeper ({@link org.kexecfs.daemon.Starter}), if these are its very words. They are the same each time, and
     * somebody waits for it: to have picocli find out what they mean was a quarter of a daemon's start.
     */
    static Optional<DaemonProcess> asked(String... arguments) {
        List<String> words = List.of(arguments);
        if (words.equals(UNATTENDED)) {
            return Optional.of(unattended(Optional.empty()));
        }
        if (words.size() == AWAITED.size() + 1
                && words.subList(0, AWAITED.size()).equals(AWAITED)
                && words.getLast().matches("[0-9]{1,9}")) {
            return Optional.of(unattended(Optional.of(Integer.valueOf(words.getLast()))));
        }
        return Optional.empty();
    }

    private static DaemonProcess unattended(Optional<Integer> readyFd) {
        return new DaemonProcess(Duration.ofSeconds(IDLE_SECONDS), true, new ReadyFd(readyFd));
    }

    /**
     * Serves until there is nothing to serve, or a signal ends it.
     *
     * @throws ErrnoException as {@link Daemon#start}
     */
    void run() {
        Optional.ofNullable(System.getProperty("kexecfs.training"))
                .map(Path::of)
                .ifPresent(Training::load);
        if (unattended) {
            System.setProperty(Provider.FILE, Address.ours().log().toString());
            KexecFsMount.load();
            awaitKeeper();
        }
        CountDownLatch ended = new CountDownLatch(1);
        try (Daemon daemon = start()) {
            Runtime.getRuntime().addShutdownHook(new Thread(() -> end(daemon, ended), "stop"));
            if (unattended) {
                daemon.restartBy(Kexecfsd.starter().again());
            }
            ready.serving();
            serve(daemon);
        } finally {
            ended.countDown();
        }
    }

    /**
     * A fault of ours costs nobody a session: this process ends as if it were killed, and the next goes on with what was kept, as it
     * does then.
     */
    private void serve(Daemon daemon) {
        try {
            daemon.run(idle);
        } catch (RuntimeException | Error e) {
            log.error("kexecfsd failed in a way it should not, and ends; its sessions are kept. Please report this", e);
            Runtime.getRuntime().halt(FAILED);
        }
    }

    /** Whoever started us may have started our keeper, too: we read what it says, which ends once it can be connected to. */
    private static void awaitKeeper() {
        try {
            System.in.readAllBytes();
        } catch (IOException e) {
            // There is no standard input, and so no keeper yet.
        }
    }

    private Daemon start() {
        try {
            return Daemon.start(Address.ours());
        } catch (ErrnoException e) {
            ready.failed(Exit.of(e.errno()));
            throw e;
        }
    }

    /** The process ends once this returns: by then all sessions have ended, or are left to systemd. */
    private static void end(Daemon daemon, CountDownLatch ended) {
        daemon.stop();
        try {
            ended.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
