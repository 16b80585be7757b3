package org.kexecfs.docker;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.concurrent.TimeoutException;
import jnr.constants.platform.linux.Errno;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.io.Content;
import org.eclipse.jetty.server.Handler;
import org.eclipse.jetty.server.HttpConfiguration;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.handler.ErrorHandler;
import org.eclipse.jetty.unixdomain.server.UnixDomainServerConnector;
import org.eclipse.jetty.util.Callback;
import org.eclipse.jetty.util.Promise;
import org.eclipse.jetty.util.thread.Invocable.InvocationType;
import org.eclipse.jetty.util.thread.QueuedThreadPool;
import org.kexecfs.mount.RuntimeDirectory;
import org.kexecfs.posix.ErrnoException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The plugin's socket, and the HTTP on it.
 *
 * <p>Life cycle: {@link #start} makes the socket under another name, and gives it its own once it is ours alone and listens: who
 * finds it is answered, and what a plugin that was killed has left there is replaced. {@link #close} takes it away.
 *
 * <p>Who says nothing keeps nobody waiting: a request has a thread only once it was read whole. Who says nothing for long is
 * hung up on.
 */
public final class PluginServer implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(PluginServer.class);

    /** In bytes; the engine's own are below 5,000, and options have a page. */
    static final int LONGEST = 64 * 1024;

    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final String JSON = "application/json";

    private final Path socket;
    private final Server server;

    private PluginServer(Path socket, Server server) {
        this.socket = socket;
        this.server = server;
    }

    /**
     * Listens, and answers.
     *
     * @param socket its path, up to 80 bytes; its directory is made if it is missing
     * @throws ErrnoException EACCES, ENAMETOOLONG, EIO if it cannot be made
     */
    public static PluginServer start(Path socket, Volumes volumes) {
        return start(socket, volumes, PATIENCE);
    }

    /**
     * {@link #start(Path, Volumes)}.
     *
     * @param patience after which time without a byte a client is hung up on
     */
    static PluginServer start(Path socket, Volumes volumes, Duration patience) {
        Server server = new Server(new QueuedThreadPool());
        server.setHandler(new Answers(new Protocol(volumes)));
        server.setErrorHandler(new Refusals());
        RuntimeDirectory.make(socket.getParent());
        try {
            listen(server, socket, patience);
        } catch (Exception e) {
            stop(server);
            throw new ErrnoException(Errno.EIO, "the plugin cannot listen on " + socket + ": " + e.getMessage());
        }
        log.info("docker-plugin listens on {}", socket);
        return new PluginServer(socket, server);
    }

    private static void listen(Server server, Path socket, Duration patience) throws Exception {
        HttpConfiguration configuration = new HttpConfiguration();
        configuration.setSendServerVersion(false);
        configuration.setHttpCompliance(EngineConnection.COMPLIANCE);
        UnixDomainServerConnector connector =
                new UnixDomainServerConnector(server, 1, 1, new EngineConnection.Factory(configuration));
        connector.setIdleTimeout(patience.toMillis());
        server.addConnector(connector);
        // Only we get into this directory: nobody can connect before the mode says who may.
        Path aside = Files.createTempDirectory(socket.getParent(), ".");
        try {
            Path ours = aside.resolve("s");
            connector.setUnixDomainPath(ours);
            server.start();
            Files.setPosixFilePermissions(ours, PosixFilePermissions.fromString("rw-------"));
            Files.move(ours, socket, StandardCopyOption.ATOMIC_MOVE);
        } finally {
            Files.deleteIfExists(aside.resolve("s"));
            Files.delete(aside);
        }
    }

    private static void stop(Server server) {
        try {
            server.stop();
        } catch (Exception e) {
            log.warn("the plugin's server does not stop: {}", e.toString());
        }
    }

    /** Answers no more. What is being done is finished first. */
    @Override
    public void close() {
        try {
            Files.deleteIfExists(socket);
        } catch (IOException e) {
            log.warn("{} cannot be removed: {}", socket, e.getMessage());
        }
        stop(server);
    }

    /** Reads what is asked, without a thread that waits for it, and answers it with one. */
    private static final class Answers extends Handler.Abstract {
        private final Protocol protocol;

        private Answers(Protocol protocol) {
            this.protocol = protocol;
        }

        @Override
        public boolean handle(Request request, Response response, Callback callback) {
            // Blocking: what is done with it may take its time, and has a thread for that.
            Content.Source.asByteArrayAsync(
                    request,
                    LONGEST,
                    Promise.Invocable.from(
                            InvocationType.BLOCKING,
                            (body, failure) -> send(
                                    failure == null ? answer(request, body) : unread(failure), response, callback)));
            return true;
        }

        private Reply answer(Request request, byte[] body) {
            // It may take its time, with nothing to be read or written.
            request.addIdleTimeoutListener(timeout -> false);
            return protocol.answer(request.getMethod(), Request.getPathInContext(request), body);
        }

        /** The client is gone, or said nothing for too long, or too much. */
        private static Reply unread(Throwable failure) {
            return failure instanceof TimeoutException
                    ? Reply.failed(408, "the request did not end: " + failure.getMessage())
                    : Reply.failed(413, "a request of more than " + LONGEST + " bytes, or of less than it says");
        }
    }

    /** What is no HTTP that we take: in JSON as all the rest. */
    private static final class Refusals implements Request.Handler {
        @Override
        public boolean handle(Request request, Response response, Callback callback) {
            Object why = request.getAttribute(ErrorHandler.ERROR_MESSAGE);
            send(Reply.failed(response.getStatus(), "no request of the plugin protocol: " + why), response, callback);
            return true;
        }
    }

    private static void send(Reply reply, Response response, Callback callback) {
        response.setStatus(reply.status());
        response.getHeaders().put(HttpHeader.CONTENT_TYPE, JSON);
        response.write(true, ByteBuffer.wrap(reply.json()), callback);
    }
}
