package org.kexecfs.daemon;

import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import jnr.constants.platform.linux.Errno;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.Sockets;

/** How the daemon talks to a client. */
class ConnectionTest {
    private static final int MANY = 2_000;

    @TempDir
    private Path work;

    /** The kernel takes some hundreds of answers that nobody reads, and with less room fewer. */
    @Test
    void whoReadsLateIsToldEverything() throws Exception {
        String path = work.resolve("socket").toString();
        AtomicInteger sent = new AtomicInteger();
        try (Fd listener = Sockets.listenStream(path, 1);
                SocketChannel client = SocketChannel.open(UnixDomainSocketAddress.of(path));
                Fd accepted = Sockets.accept(listener).orElseThrow();
                ExecutorService daemon = Executors.newSingleThreadExecutor()) {
            Sockets.limitUnread(accepted, 1);
            Connection connection = new Connection(accepted);
            Future<?> all = daemon.submit(() -> {
                for (int i = 0; i < MANY; i++) {
                    connection.send(new Answer.Came(i, Answer.Came.How.DONE, "prepared"));
                    sent.incrementAndGet();
                }
            });
            await().until(() -> sent.get() > 1);
            BufferedReader answers =
                    new BufferedReader(new InputStreamReader(Channels.newInputStream(client), StandardCharsets.UTF_8));
            for (int i = 0; i < MANY && !isFailed(all); i++) {
                assertEquals(new Answer.Came(i, Answer.Came.How.DONE, "prepared"), Answer.parse(answers.readLine()));
            }
            all.get();
        }
    }

    @Test
    void whoDoesNotRead_isWaitedForOnce_andToldNothingMore() throws Exception {
        String path = work.resolve("socket").toString();
        try (Fd listener = Sockets.listenStream(path, 1);
                SocketChannel client = SocketChannel.open(UnixDomainSocketAddress.of(path));
                Fd accepted = Sockets.accept(listener).orElseThrow()) {
            Sockets.limitUnread(accepted, 1);
            Connection connection = new Connection(accepted, Duration.ofMillis(100));
            Answer answer = new Answer.Came(1, Answer.Came.How.DONE, "prepared");
            ErrnoException first = assertThrows(ErrnoException.class, () -> {
                for (int i = 0; i < MANY; i++) {
                    connection.send(answer);
                }
            });
            assertTrue(first.is(Errno.ETIMEDOUT), first.getMessage());

            // Now there would be room.
            client.read(ByteBuffer.allocate(1 << 20));
            ErrnoException next = assertThrows(ErrnoException.class, () -> connection.send(answer));
            assertTrue(next.is(Errno.ETIMEDOUT), next.getMessage());
        }
    }

    private static boolean isFailed(Future<?> future) {
        return future.state() == Future.State.FAILED;
    }
}
