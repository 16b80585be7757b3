package org.kexecfs.containers;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * The volume plugin of a host, as its engine finds it.
 *
 * <p>Life cycle: {@link #start}, as often as it has ended; {@link #close} ends it for good.
 */
final class VolumePlugin implements AutoCloseable {
    private final Host host;
    private final Path socket;

    /**
     * Starts it, on the host's emulation.
     *
     * @param driver what the engine is to call it
     */
    VolumePlugin(Host host, String driver) {
        this.host = host;
        this.socket = Path.of("/run/docker/plugins", driver + ".sock");
        start();
    }

    /** Returns when it listens. What it says goes to a file; what it has open, its starter must not wait for. */
    void start() {
        assertEquals(
                "0",
                host.sh(
                        "{ kexecfs docker-plugin --ready-fd 3 --socket " + socket
                                + " --state state -o emulate=$PWD/luo 3>&1 >>plugin.log 2>&1 & echo $! >plugin.pid; } | head -n 1"));
    }

    /** SIGKILL. */
    void kill() {
        host.sh("kill -9 $(cat plugin.pid) && while kill -0 $(cat plugin.pid) 2>/dev/null; do sleep 0.02; done");
    }

    /** What it answers, asked past the engine. */
    String ask(String method, String json) {
        try {
            return Engine.ask(
                    socket,
                    "POST /VolumeDriver.%s HTTP/1.1\r\nHost: \r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
                            .formatted(method, json.length(), json),
                    null);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void close() {
        host.run("kill $(cat plugin.pid); while kill -0 $(cat plugin.pid); do sleep 0.02; done");
        try {
            Files.deleteIfExists(socket);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
