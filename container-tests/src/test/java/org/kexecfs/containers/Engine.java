package org.kexecfs.containers;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicReference;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A Docker engine: the one that runs on this machine, or else one of our own.
 *
 * <p>Life cycle of our own: {@link #find} starts dockerd with everything it keeps below a temporary directory and with no
 * network at all, and returns once it listens; {@link #restart} does that again; {@link #close} ends it by its process, waits, and takes the directory away.
 */
final class Engine implements AutoCloseable {
    private static final Path USUAL_SOCKET = Path.of("/var/run/docker.sock");
    private static final String LISTENS = "API listen on";
    private static final Pattern API_VERSION = Pattern.compile("(?im)^api-version: *([0-9.]+)");
    private static final long SECONDS_TO_START = 60;
    private static final long SECONDS_TO_END = 30;

    private final Path socket;
    private final String apiVersion;
    private final Runnable restart;
    private final Runnable end;

    private Engine(Path socket, String apiVersion, Runnable restart, Runnable end) {
        this.socket = socket;
        this.apiVersion = apiVersion;
        this.restart = restart;
        this.end = end;
    }

    /**
     * The engine to test with.
     *
     * @throws IllegalStateException there is none, and none can be started: with the reason, and what to do
     */
    static Engine find() {
        Path usual = Optional.ofNullable(System.getenv("DOCKER_HOST"))
                .filter(host -> host.startsWith("unix://"))
                .map(host -> Path.of(host.substring("unix://".length())))
                .orElse(USUAL_SOCKET);
        return apiVersion(usual)
                .map(version -> new Engine(
                        usual,
                        version,
                        () -> {
                            throw new UnsupportedOperationException("it is not ours");
                        },
                        () -> {}))
                .orElseGet(Engine::own);
    }

    /** The API's version, which every answer of an engine tells; nothing if none listens there. */
    private static Optional<String> apiVersion(Path socket) {
        try {
            Matcher version = API_VERSION.matcher(ask(socket, "GET /_ping HTTP/1.0\r\n\r\n", null));
            return version.find() ? Optional.of(version.group(1)) : Optional.empty();
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    /** Makes an image of a root's tar archive, as {@code docker import} does; docker-java cannot: it loses the archive's end. */
    void importImage(String name, Path archive) {
        try (FileChannel bytes = FileChannel.open(archive)) {
            String request = "POST /images/create?fromSrc=-&repo=%s HTTP/1.0\r\nContent-Length: %d\r\n\r\n"
                    .formatted(name, bytes.size());
            String answer = ask(socket, request, bytes);
            if (!answer.contains("\"status\":\"sha256:")) {
                throw new IllegalStateException("image " + name + " could not be imported:\n" + answer);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** What answers on a socket, be it an engine or a plugin of its; heads and all. */
    static String ask(Path socket, String request, FileChannel body) throws IOException {
        try (SocketChannel engine = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            engine.connect(UnixDomainSocketAddress.of(socket));
            engine.write(ByteBuffer.wrap(request.getBytes(StandardCharsets.US_ASCII)));
            for (long sent = 0; body != null && sent < body.size(); ) {
                sent += body.transferTo(sent, body.size() - sent, engine);
            }
            return new String(Channels.newInputStream(engine).readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    /**
     * One of our own, whatever else runs.
     *
     * @throws IllegalStateException it cannot be started: with the reason, and what to do
     */
    static Engine own() {
        Scratch scratch = Scratch.make("engine");
        Path socket = scratch.directory().resolve("docker.sock");
        AtomicReference<Daemon> daemon = new AtomicReference<>(Daemon.start(scratch, socket));
        Thread atExit = new Thread(() -> daemon.get().end(), "end of dockerd");
        Runtime.getRuntime().addShutdownHook(atExit);
        String version = apiVersion(socket)
                .orElseThrow(() -> new IllegalStateException(daemon.get().log()));
        return new Engine(
                socket,
                version,
                () -> {
                    daemon.get().stop();
                    daemon.set(Daemon.start(scratch, socket));
                },
                () -> {
                    Runtime.getRuntime().removeShutdownHook(atExit);
                    daemon.get().end();
                    EngineStrategy.forget();
                });
    }

    /** Ends one of our own, as {@code systemctl restart docker} would, and starts it again with all that it kept. */
    void restart() {
        restart.run();
    }

    Path socket() {
        return socket;
    }

    String apiVersion() {
        return apiVersion;
    }

    @Override
    public void close() {
        end.run();
    }

    /** dockerd, and what it said so far. */
    private record Daemon(Scratch scratch, Process process, StringBuffer said) {
        static Daemon start(Scratch scratch, Path socket) {
            Path directory = scratch.directory();
            // By env, for Java looks for a program on its own PATH, which need not have the directories of root's
            // programs.
            ProcessBuilder dockerd = new ProcessBuilder(
                            "env",
                            "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                            "dockerd",
                            "--host=unix://" + socket,
                            "--pidfile=" + directory.resolve("docker.pid"),
                            "--data-root=" + directory.resolve("data"),
                            "--exec-root=" + directory.resolve("exec"),
                            "--bridge=none",
                            "--iptables=false",
                            "--ip6tables=false",
                            "--ip-masq=false")
                    .redirectErrorStream(true);
            Daemon daemon = new Daemon(scratch, start(dockerd), new StringBuffer());
            CompletableFuture<Void> listens = new CompletableFuture<>();
            Thread.ofVirtual().name("log of dockerd").start(() -> daemon.read(listens));
            try {
                listens.get(SECONDS_TO_START, TimeUnit.SECONDS);
                return daemon;
            } catch (ExecutionException | TimeoutException e) {
                daemon.end();
                throw new IllegalStateException(
                        "no Docker engine runs here, and dockerd could not be started. The tests of containers need root"
                                + " and Debian's package docker.io, which container-tests/run-all installs. dockerd said:\n"
                                + daemon.log(),
                        e);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                daemon.end();
                throw new IllegalStateException(e);
            }
        }

        private static Process start(ProcessBuilder program) {
            try {
                return program.start();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        private void read(CompletableFuture<Void> listens) {
            try (var log = process.inputReader(StandardCharsets.UTF_8)) {
                for (String line = log.readLine(); line != null; line = log.readLine()) {
                    said.append(line).append('\n');
                    if (line.contains(LISTENS)) {
                        listens.complete(null);
                    }
                }
                listens.completeExceptionally(new IllegalStateException("it ended"));
            } catch (IOException e) {
                listens.completeExceptionally(e);
            }
        }

        String log() {
            return said.substring(Math.max(0, said.length() - 4000));
        }

        /** SIGTERM: it ends its containers and its containerd, and unmounts what it mounted. And all that it kept goes. */
        void end() {
            stop();
            scratch.close();
        }

        void stop() {
            process.destroy();
            try {
                if (!process.waitFor(SECONDS_TO_END, TimeUnit.SECONDS)) {
                    process.destroyForcibly().waitFor();
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
