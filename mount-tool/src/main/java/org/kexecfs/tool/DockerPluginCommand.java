package org.kexecfs.tool;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import org.kexecfs.daemon.ServiceManager;
import org.kexecfs.docker.PluginServer;
import org.kexecfs.docker.Records;
import org.kexecfs.docker.Volumes;
import org.kexecfs.mount.RuntimeDirectory;
import org.kexecfs.posix.ErrnoException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code kexecfs docker-plugin}: sessions as volumes of Docker's containers. */
@Command(
        name = "docker-plugin",
        description = {
            "Docker's volume plugin, in the foreground: sessions are volumes, by their names, and the options of"
                    + " 'docker volume create -o' are those of a mount. The engine knows it by the name of its socket.",
            "A volume's session is mounted for the first container that uses it, and stays mounted until the volume is"
                    + " removed: it holds its files from one container to the next. After an update, volumes are there"
                    + " again, with their files.",
            "SIGTERM and SIGINT end the plugin, and no session.%n"
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  kexecfs docker-plugin -o size=1g,mode=0770",
            "  docker run -v web:/run/kexecfs --volume-driver kexecfs IMAGE",
            "  docker volume create -d kexecfs -o size=64m web",
        })
final class DockerPluginCommand implements Runnable {
    @Option(
            names = "--socket",
            paramLabel = "PATH",
            defaultValue = "/run/docker/plugins/kexecfs.sock",
            description = "Where the engine finds it. Default: ${DEFAULT-VALUE}.")
    private Path socket;

    @Option(
            names = "--state",
            paramLabel = "DIR",
            defaultValue = "/var/lib/kexecfs/volumes",
            description = "Where volumes are recorded. Default: ${DEFAULT-VALUE}.")
    private Path state;

    @Option(
            names = "-o",
            paramLabel = "OPTIONS",
            description = "Options of volumes that are created from now on, as of 'kexecfs mount'; a volume's own come"
                    + " before them.")
    private List<String> options = new ArrayList<>();

    @Option(names = "--ready-fd", paramLabel = "N", description = ReadyFd.DESCRIPTION)
    private Integer readyFd;

    @Override
    public void run() {
        ReadyFd ready = new ReadyFd(Optional.ofNullable(readyFd));
        CountDownLatch told = new CountDownLatch(1);
        CountDownLatch ended = new CountDownLatch(1);
        try (ServiceManager manager = ServiceManager.ours();
                Records records = Records.open(state.toAbsolutePath())) {
            Volumes volumes = new Volumes(
                    records,
                    new VolumeSessions(),
                    RuntimeDirectory.path().resolve("volumes"),
                    String.join(",", options));
            try (PluginServer _ = PluginServer.start(socket.toAbsolutePath(), volumes)) {
                Runtime.getRuntime().addShutdownHook(new Thread(() -> end(told, ended), "stop"));
                ready.serving();
                manager.ready();
                // Meanwhile the engine is answered; a volume that it asks for it may have sooner.
                Thread.ofPlatform().daemon().name("mounts").start(volumes::mountAll);
                told.await();
                manager.stopping();
            }
        } catch (ErrnoException e) {
            ready.failed(Exit.of(e.errno()));
            throw e;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            ended.countDown();
        }
    }

    /** The process ends once this returns: what was begun is done by then. */
    private static void end(CountDownLatch told, CountDownLatch ended) {
        told.countDown();
        try {
            ended.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
