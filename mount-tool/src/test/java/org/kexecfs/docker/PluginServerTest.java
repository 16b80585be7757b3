package org.kexecfs.docker;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The socket, and HTTP as engines speak it. */
@Timeout(60)
class PluginServerTest {
    private static final Duration PATIENCE = Duration.ofSeconds(1);

    @TempDir
    private Path work;

    private final CountDownLatch slowMayMount = new CountDownLatch(1);
    private final List<SocketChannel> clients = new ArrayList<>();
    private Path socket;
    private Records records;
    private PluginServer server;

    @BeforeEach
    void start() {
        socket = work.resolve("plugins/kexecfs.sock");
        records = Records.open(work.resolve("state"), "boot");
        server = PluginServer.start(socket, volumes(), PATIENCE);
    }

    private Volumes volumes() {
        FakeSessions sessions = new FakeSessions() {
            @Override
            public void mount(String session, Path directory, String given) {
                if (session.equals("slow")) {
                    await(slowMayMount);
                }
            }
        };
        return new Volumes(records, sessions, Path.of("/volumes"), "");
    }

    private static void await(CountDownLatch latch) {
        try {
            assertTrue(latch.await(30, SECONDS));
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    @AfterEach
    void end() throws IOException {
        slowMayMount.countDown();
        for (SocketChannel client : clients) {
            client.close();
        }
        server.close();
        records.close();
    }

    private SocketChannel connect() throws IOException {
        SocketChannel client = SocketChannel.open(UnixDomainSocketAddress.of(socket));
        clients.add(client);
        return client;
    }

    private static SocketChannel say(SocketChannel client, String text) throws IOException {
        ByteBuffer bytes = ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8));
        while (bytes.hasRemaining()) {
            client.write(bytes);
        }
        return client;
    }

    private static String post(String method, String body) {
        return "POST /VolumeDriver.%s HTTP/1.1\r\nHost: \r\nContent-Length: %d\r\n\r\n%s"
                .formatted(method, body.length(), body);
    }

    /** The next answer: its status line, a blank, and its body. */
    private static String answer(SocketChannel client) throws IOException {
        InputStream in = Channels.newInputStream(client);
        StringBuilder head = new StringBuilder();
        while (head.indexOf("\r\n\r\n") < 0) {
            int next = in.read();
            if (next < 0) {
                throw new IOException("hung up after '" + head + "'");
            }
            head.append((char) next);
        }
        int length = Integer.parseInt(head.toString().replaceAll("(?is).*\r\ncontent-length: (\\d+)\r\n.*", "$1"));
        return head.substring(0, head.indexOf("\r\n")) + " "
                + new String(in.readNBytes(length), StandardCharsets.UTF_8);
    }

    private String ask(String request) throws IOException {
        return answer(say(connect(), request));
    }

    @Test
    void theSocketIsItsOwnersAlone_andSoIsADirectoryThatIsMadeForIt() throws Exception {
        assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(socket)));
        assertEquals("rwx------", PosixFilePermissions.toString(Files.getPosixFilePermissions(socket.getParent())));
        try (Stream<Path> files = Files.list(socket.getParent())) {
            assertEquals(List.of(socket), files.toList());
        }
    }

    @Test
    void whatAKilledPluginLeftIsReplaced_andTheEndTakesTheSocketAway() throws Exception {
        server.close();
        assertTrue(Files.notExists(socket));
        try (ServerSocketChannel killed = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            killed.bind(UnixDomainSocketAddress.of(socket));
        }
        assertThrows(IOException.class, this::connect);

        server = PluginServer.start(socket, volumes(), PATIENCE);

        assertEquals("HTTP/1.1 200 OK {\"Volumes\":[],\"Err\":\"\"}", ask(post("List", "{}")));
    }

    @Test
    void aSocketThatCannotBeIsTold() {
        Path far = work.resolve("p".repeat(100)).resolve("kexecfs.sock");

        RuntimeException failure =
                assertThrows(RuntimeException.class, () -> PluginServer.start(far, volumes(), PATIENCE));

        assertTrue(failure.getMessage().contains(far.toString()), failure.getMessage());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"Host: ", "Host:", "Host: /run/docker/plugins/kexecfs.sock", "Host: localhost", "Host: %2Frun"})
    void enginesSayVariousThingsForAHost(String host) throws Exception {
        String request = post("List", "{}").replace("Host: ", host);

        assertTrue(ask(request).startsWith("HTTP/1.1 200 OK "), host);
    }

    @Test
    void severalCallsComeOverOneConnection() throws Exception {
        SocketChannel engine = connect();

        assertEquals("HTTP/1.1 200 OK {\"Err\":\"\"}", answer(say(engine, post("Create", "{\"Name\":\"web\"}"))));
        assertEquals(
                "HTTP/1.1 200 OK {\"Mountpoint\":\"/volumes/web\",\"Err\":\"\"}",
                answer(say(engine, post("Mount", "{\"Name\":\"web\",\"ID\":\"a\"}"))));
        assertTrue(answer(say(engine, post("Remove", "{\"Name\":"))).startsWith("HTTP/1.1 400 Bad Request {\"Err\":"));
        assertTrue(answer(say(engine, post("Get", "{\"Name\":\"web\"}"))).startsWith("HTTP/1.1 200 OK "));
    }

    @Test
    void whoSaysNothingOrHalfOfItKeepsNobodyWaiting() throws Exception {
        for (int i = 0; i < 300; i++) {
            String half = post("Create", "{\"Name\":\"web\"}");
            say(connect(), half.substring(0, i * half.length() / 300));
        }

        assertEquals("HTTP/1.1 200 OK {\"Volumes\":[],\"Err\":\"\"}", ask(post("List", "{}")));
    }

    @Test
    void whoSaysNothingForLongIsHungUpOn() throws Exception {
        assertThrows(IOException.class, () -> answer(connect()));
        assertThrows(IOException.class, () -> answer(say(connect(), "POST /Volume")));
        String half = ask(post("Create", "{\"Name\":\"web\"}").replace("\"}", ""));
        assertTrue(half.startsWith("HTTP/1.1 408 "), half);
    }

    @Test
    void aMountThatTakesLongIsAnswered_andKeepsNobodyWaiting() throws Exception {
        ask(post("Create", "{\"Name\":\"slow\"}"));
        ask(post("Create", "{\"Name\":\"web\"}"));
        SocketChannel slow = say(connect(), post("Mount", "{\"Name\":\"slow\",\"ID\":\"a\"}"));

        assertAll(
                () -> assertTrue(
                        ask(post("Mount", "{\"Name\":\"web\",\"ID\":\"a\"}")).startsWith("HTTP/1.1 200 ")),
                () -> assertTrue(ask(post("Get", "{\"Name\":\"slow\"}")).startsWith("HTTP/1.1 200 ")),
                () -> assertTrue(ask(post("List", "{}")).startsWith("HTTP/1.1 200 ")));
        // Another client's patience is over meanwhile: the mount's would be, too.
        assertThrows(IOException.class, () -> answer(connect()));
        assertThrows(IOException.class, () -> answer(connect()));
        slowMayMount.countDown();
        assertEquals("HTTP/1.1 200 OK {\"Mountpoint\":\"/volumes/slow\",\"Err\":\"\"}", answer(slow));
    }

    @Test
    void whatIsTooLongIsRefused() throws Exception {
        String long_ = "{\"Name\":\"" + "a".repeat(PluginServer.LONGEST) + "\"}";

        assertTrue(ask(post("Create", long_)).startsWith("HTTP/1.1 413 Payload Too Large {\"Err\":"));
        String chunked = "POST /VolumeDriver.Create HTTP/1.1\r\nHost: \r\nTransfer-Encoding: chunked\r\n\r\n"
                + Integer.toHexString(long_.length()) + "\r\n" + long_ + "\r\n0\r\n\r\n";
        assertTrue(ask(chunked).startsWith("HTTP/1.1 413 Payload Too Large {\"Err\":"));
        assertEquals("HTTP/1.1 200 OK {\"Volumes\":[],\"Err\":\"\"}", ask(post("List", "{}")));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "garbage\r\n\r\n",
                "POST /%zz HTTP/1.1\r\nHost: \r\nContent-Length: 0\r\n\r\n",
                "POST /VolumeDriver.List HTTP/1.1\r\nHost: \r\nContent-Length: x\r\n\r\n",
                "POST /VolumeDriver.List HTTP/9.1\r\n\r\n",
                "POST /..%2fVolumeDriver.List HTTP/1.1\r\nHost: \r\nContent-Length: 0\r\n\r\n",
                "PUT /VolumeDriver.List HTTP/1.1\r\nHost: \r\nContent-Length: 0\r\n\r\n",
                "POST /VolumeDriver.Fly HTTP/1.1\r\nHost: \r\nContent-Length: 0\r\n\r\n",
            })
    void whatIsNoRequestHasAnAnswerInJsonToo(String request) throws Exception {
        String answer = ask(request);

        assertTrue(answer.matches("HTTP/1.1 [45]\\d\\d [^{]*\\{\"Err\":\".+\"}"), answer);
    }
}
