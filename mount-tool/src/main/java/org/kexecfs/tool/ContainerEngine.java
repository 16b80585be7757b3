package org.kexecfs.tool;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.URLEncoder;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalInt;

/** Who runs containers on this machine. */
sealed interface ContainerEngine {
    /** Docker's, which {@code DOCKER_HOST} may name, and podman's. */
    static List<ContainerEngine> all() {
        String docker = System.getenv().getOrDefault("DOCKER_HOST", "unix:///var/run/docker.sock");
        return List.of(new Socket(docker), new Podman());
    }

    /**
     * A container's first process.
     *
     * @param container name or id
     * @return its number; 0 if the container does not run; nothing if there is no such container
     * @throws Silent the engine does not answer
     */
    OptionalInt pidOf(String container) throws Silent;

    /** An engine cannot be asked, with the reason. */
    final class Silent extends Exception {
        private static final long serialVersionUID = 1L;

        Silent(String why) {
            super(why);
        }
    }

    /**
     * An engine that speaks Docker's protocol.
     *
     * @param host where it listens, as {@code DOCKER_HOST} has it
     */
    record Socket(String host) implements ContainerEngine {
        private static final String LOCAL = "unix://";

        @Override
        public OptionalInt pidOf(String container) throws Silent {
            if (!host.startsWith(LOCAL)) {
                throw new Silent("not on this machine; only a unix:// socket is");
            }
            try {
                String answer = ask("/containers/" + URLEncoder.encode(container, StandardCharsets.UTF_8) + "/json");
                String status = answer.split("\r\n", 2)[0];
                String body = answer.substring(answer.indexOf("\r\n\r\n") + 4);
                return switch (status.split(" ")[1]) {
                    case "200" -> OptionalInt.of(pid(body));
                    case "404" -> OptionalInt.empty();
                    default -> throw new Silent(status + " " + body.strip());
                };
            } catch (IOException | IndexOutOfBoundsException e) {
                throw new Silent(e.getMessage());
            }
        }

        /** HTTP 1.0: the answer ends where the connection does. */
        private String ask(String path) throws IOException {
            try (SocketChannel engine = SocketChannel.open(StandardProtocolFamily.UNIX)) {
                engine.connect(UnixDomainSocketAddress.of(Path.of(host.substring(LOCAL.length()))));
                String request = "GET " + path + " HTTP/1.0\r\nHost: docker\r\n\r\n";
                engine.write(ByteBuffer.wrap(request.getBytes(StandardCharsets.US_ASCII)));
                return new String(Channels.newInputStream(engine).readAllBytes(), StandardCharsets.UTF_8);
            }
        }

        private static int pid(String json) throws IOException {
            try (JsonParser parser = new JsonFactory().createParser(json)) {
                for (JsonToken token = parser.nextToken(); token != null; token = parser.nextToken()) {
                    if (token == JsonToken.VALUE_NUMBER_INT
                            && parser.getParsingContext()
                                    .pathAsPointer()
                                    .toString()
                                    .equals("/State/Pid")) {
                        return parser.getIntValue();
                    }
                }
            }
            throw new IOException("it does not tell the container's process");
        }

        @Override
        public String toString() {
            return "the engine at " + host;
        }
    }

    /** podman, which needs no process that listens. */
    record Podman() implements ContainerEngine {
        private static final String NO_SUCH_CONTAINER = "no such container";

        @Override
        public OptionalInt pidOf(String container) throws Silent {
            try {
                Process podman = new ProcessBuilder(
                                "podman", "container", "inspect", "--format", "{{.State.Pid}}", "--", container)
                        .redirectErrorStream(true)
                        .start();
                String said = new String(podman.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
                if (podman.waitFor() == 0) {
                    return OptionalInt.of(Integer.parseInt(said));
                }
                if (said.contains(NO_SUCH_CONTAINER)) {
                    return OptionalInt.empty();
                }
                throw new Silent(said);
            } catch (IOException e) {
                throw new Silent("not installed");
            } catch (NumberFormatException e) {
                throw new Silent(e.getMessage());
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new Silent("interrupted");
            }
        }

        @Override
        public String toString() {
            return "podman";
        }
    }
}
