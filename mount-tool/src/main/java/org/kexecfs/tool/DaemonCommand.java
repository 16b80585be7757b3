package org.kexecfs.tool;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import org.kexecfs.daemon.Address;
import org.kexecfs.daemon.Daemon;
import org.kexecfs.fuse.KexecFsMount;
import org.kexecfs.log.Provider;
import org.kexecfs.posix.ErrnoException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code kexecfsd}: serves all mounts of this host. */
@Command(
        name = "daemon",
        description = {
            "kexecfsd. Serves the mounts that 'kexecfs mount' and 'mount -t kexecfs' ask for, all in one process. They start"
                    + " it if it does not run, and it ends when it has nothing to serve; a second one is refused.",
            "SIGTERM and SIGINT unmount all and end their sessions; as a systemd unit with an fd store it leaves them there, and"
                    + " goes on with them when it is started again.%n"
        },
        footerHeading = "%nExamples:%n",
        footer = {"  kexecfsd", "  kexecfsd --idle 0        stay, whether there is anything to serve or not"})
final class DaemonCommand implements Runnable {
    @Option(
            names = "--idle",
            paramLabel = "SECONDS",
            defaultValue = "30",
            description =
                    "End when nothing was mounted and nobody asked for so long; 0: never. Default: ${DEFAULT-VALUE}.")
    private int idle;

    @Option(
            names = "--unattended",
            description =
                    "As clients start it: write to kexecfsd.log in the run time directory, and have the keeper start it"
                            + " again should it be killed.")
    private boolean unattended;

    @Option(names = "--ready-fd", paramLabel = "N", description = ReadyFd.DESCRIPTION)
    private Integer readyFd;

    @Override
    public void run() {
        Optional.ofNullable(System.getProperty("kexecfs.training"))
                .map(Path::of)
                .ifPresent(Training::load);
        if (unattended) {
            System.setProperty(Provider.FILE, Address.ours().log().toString());
            KexecFsMount.load();
            awaitKeeper();
        }
        ReadyFd ready = new ReadyFd(Optional.ofNullable(readyFd));
        CountDownLatch ended = new CountDownLatch(1);
        try (Daemon daemon = start(ready)) {
            Runtime.getRuntime().addShutdownHook(new Thread(() -> end(daemon, ended), "stop"));
            if (unattended) {
                daemon.restartBy(Kexecfsd.starter().again());
            }
            ready.serving();
            daemon.run(Duration.ofSeconds(idle));
        } finally {
            ended.countDown();
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

    private static Daemon start(ReadyFd ready) {
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
