package org.kexecfs.daemon;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import jnr.constants.platform.linux.Errno;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.kexecfs.mount.MountTable;
import org.kexecfs.mount.MountTable.MountedSession;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.Mounts;

/** A daemon, and clients of it. Needs root and /dev/fuse. */
class DaemonTest {
    private static final int MANY = 200;
    private static final int CLIENTS = 16;

    @TempDir
    private Path work;

    private Address address;
    private Daemon daemon;
    private Thread running;
    private volatile boolean noThreads;

    @BeforeEach
    void start() {
        address = new Address(work.resolve("run"));
        daemon = Daemon.start(address, null, this::thread);
        running = new Thread(() -> daemon.run(Duration.ZERO));
        running.start();
    }

    @AfterEach
    void stop() throws InterruptedException {
        daemon.stop();
        running.join();
        daemon.close();
        assertEquals(List.of(), mounts(), "the daemon left mounts");
    }

    /** As where no process or thread more is allowed. */
    private Thread thread(Runnable task) {
        if (noThreads) {
            throw new OutOfMemoryError("unable to create native thread");
        }
        return new Thread(task);
    }

    private List<MountedSession> mounts() {
        return MountTable.read().stream()
                .filter(m -> m.directory().startsWith(work))
                .toList();
    }

    private Answer ask(Request request) {
        try (Client client = Client.connect(address).orElseThrow()) {
            return client.ask(request).orElseThrow();
        }
    }

    private Path directory(String name) {
        try {
            return Files.createDirectories(work.resolve(name));
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private Answer mount(String session, String options) {
        return ask(new Request.Mount(session, directory(session), work, options));
    }

    private Answer mount(String session) {
        return mount(session, "emulate=luo");
    }

    private Errno refused(Answer answer) {
        return assertInstanceOf(Answer.Failed.class, answer).errno();
    }

    @Test
    void manyClientsMountAndUnmountAtOnce() throws Exception {
        try (ExecutorService clients = Executors.newFixedThreadPool(CLIENTS)) {
            List<Future<?>> all = new ArrayList<>();
            for (int i = 0; i < MANY; i++) {
                String session = "s" + i;
                all.add(clients.submit(() -> mountUseAndUnmount(session)));
            }
            for (Future<?> one : all) {
                one.get();
            }
        }
        assertEquals(MANY / 2, mounts().size());
        for (int i = 0; i < MANY; i += 2) {
            assertEquals("s" + i, Files.readString(work.resolve("s" + i + "/name")));
        }
    }

    /** Every other one stays. */
    private Void mountUseAndUnmount(String session) throws IOException {
        assertEquals(new Answer.Done(), mount(session));
        Path directory = work.resolve(session);
        Files.writeString(directory.resolve("name"), session);
        if (Integer.parseInt(session.substring(1)) % 2 == 1) {
            unmountAndAwaitEnd(directory);
            assertEquals(new Answer.Done(), mount(session));
            assertTrue(Files.notExists(directory.resolve("name")), "the session before had not ended");
            unmountAndAwaitEnd(directory);
        }
        return null;
    }

    @Test
    void whatIsWrittenToAllIsDoneInEachThatIsInAStateForIt_andToldOfEach() throws IOException {
        mount("one");
        mount("other");
        mount("prepared");
        mount("read-only", "emulate=luo,ro");
        Files.writeString(work.resolve("prepared/kexecfs.prepare"), "1");

        Map<String, Answer.Came> told = writeAll("kexecfs.prepare", "1", Set.of("normal"));

        assertEquals(new Answer.Came(device("one"), Answer.Came.How.DONE, "prepared"), told.get("one"));
        assertEquals(new Answer.Came(device("other"), Answer.Came.How.DONE, "prepared"), told.get("other"));
        assertEquals(new Answer.Came(device("prepared"), Answer.Came.How.LEFT, "prepared"), told.get("prepared"));
        assertEquals(Errno.EROFS, told.get("read-only").failure().errno());
        assertEquals("prepared\n", Files.readString(work.resolve("other/kexecfs.state")));
        assertEquals("normal\n", Files.readString(work.resolve("read-only/kexecfs.state")));
    }

    @Test
    void oneThatFailsIsToldWithItsReason_andKeepsNoOther() throws IOException {
        mount("good");
        mount("bad");
        Path needy = Files.createFile(work.resolve("bad/needy"));
        Files.setAttribute(needy, "user:kexecfs.requires", ByteBuffer.wrap("absent".getBytes(StandardCharsets.UTF_8)));

        Map<String, Answer.Came> told = writeAll("kexecfs.prepare", "1", Set.of("normal"));

        assertEquals(Answer.Came.How.DONE, told.get("good").how());
        assertEquals(Errno.ENOENT, told.get("bad").failure().errno());
        assertTrue(
                told.get("bad").failure().message().contains("absent"),
                told.get("bad").said());
    }

    @Test
    void aStateThatIsNamedTwiceIsTakenOnce() {
        byte[] request = "1\0write-all\0kexecfs.prepare\0001\0normal,normal\0".getBytes(StandardCharsets.UTF_8);
        assertEquals(new Request.WriteAll("kexecfs.prepare", "1", Set.of("normal")), Request.parse(request));
    }

    @Test
    void aClientForWhomNoThreadCanBeStartedGetsNoAnswer_andTheNextDoes() {
        noThreads = true;
        try (Client client = Client.connect(address).orElseThrow()) {
            assertEquals(Optional.empty(), client.ask(new Request.Heal()));
        }
        noThreads = false;
        assertEquals(new Answer.Done(), mount("one"));
    }

    @Test
    void ofAControlFileThatIsNoneEachSessionSaysSo() {
        mount("one");
        assertEquals(
                Errno.ENOENT,
                writeAll("kexecfs.nothing", "1", Set.of("normal"))
                        .get("one")
                        .failure()
                        .errno());
        assertEquals(
                Errno.EINVAL,
                writeAll("kexecfs.prepare", "perhaps", Set.of("normal"))
                        .get("one")
                        .failure()
                        .errno());
    }

    private long device(String session) {
        return MountTable.at(work.resolve(session)).orElseThrow().device();
    }

    /** What came of each, by session. */
    private Map<String, Answer.Came> writeAll(String file, String word, Set<String> from) {
        Map<Long, String> sessions =
                mounts().stream().collect(Collectors.toMap(MountedSession::device, MountedSession::session));
        Map<String, Answer.Came> told = new HashMap<>();
        try (Client client = Client.connect(address).orElseThrow()) {
            Answer answer = client.ask(new Request.WriteAll(file, word, from)).orElseThrow();
            while (answer instanceof Answer.Came came) {
                told.put(sessions.get(came.device()), came);
                answer = client.next().orElseThrow();
            }
            assertEquals(new Answer.Done(), answer);
        }
        assertEquals(Set.copyOf(sessions.values()), told.keySet());
        return told;
    }

    private void unmountAndAwaitEnd(Path directory) {
        long device = MountTable.at(directory).orElseThrow().device();
        try (Client client = Client.connect(address).orElseThrow()) {
            assertEquals(
                    new Answer.Waiting(),
                    client.ask(new Request.AwaitEnd(device)).orElseThrow());
            Mounts.unmount(directory);
            assertEquals(new Answer.Done(), client.next().orElseThrow());
        }
    }

    @Test
    void ofClientsThatMountOneSessionAtOnce_oneSucceeds() throws Exception {
        List<Answer> answers = new ArrayList<>();
        try (ExecutorService clients = Executors.newFixedThreadPool(CLIENTS)) {
            List<Future<Answer>> all = new ArrayList<>();
            for (int i = 0; i < CLIENTS; i++) {
                Path directory = directory("d" + i);
                all.add(clients.submit(() -> ask(new Request.Mount("one", directory, work, "emulate=luo"))));
            }
            for (Future<Answer> one : all) {
                answers.add(one.get());
            }
        }

        assertEquals(1, answers.stream().filter(new Answer.Done()::equals).count(), answers.toString());
        assertTrue(
                answers.stream().allMatch(a -> a instanceof Answer.Done || refused(a) == Errno.EBUSY),
                answers.toString());
    }

    @Test
    void aLazyUnmountEndsTheSessionWithItsLastOpenFile() {
        mount("lazy");
        Path directory = work.resolve("lazy");
        long device = MountTable.at(directory).orElseThrow().device();
        try (Client client = Client.connect(address).orElseThrow()) {
            assertEquals(
                    new Answer.Waiting(),
                    client.ask(new Request.AwaitEnd(device)).orElseThrow());
            try (Fd file = Fd.open(directory.resolve("a").toString(), Fd.O_RDWR | Fd.O_CREAT, 0600)) {
                Mounts.detach(directory);
                file.pwrite(Fd.utf8("still there"), 0);
                assertEquals(Errno.EBUSY, refused(mount("lazy")));
            }
            assertEquals(new Answer.Done(), client.next().orElseThrow());
        }
        assertEquals(new Answer.Done(), mount("lazy"));
    }

    @Test
    void anEmulationsMountsAreDroppedWhoeverUsesThem_andOthersStay() {
        mount("dropped");
        mount("stays", "emulate=other");
        Fd file = Fd.open(work.resolve("dropped/a").toString(), Fd.O_RDWR | Fd.O_CREAT, 0600);
        try {
            assertEquals(new Answer.Done(), ask(new Request.Drop(work.resolve("luo"))));

            assertEquals(
                    List.of(work.resolve("stays")),
                    mounts().stream().map(MountedSession::directory).toList());
            assertEquals(new Answer.Done(), mount("dropped"));
        } finally {
            file.close();
        }
    }

    @Test
    void whoWaitsForAMountThatIsNotOursIsTold() {
        assertEquals(Errno.ENOENT, refused(ask(new Request.AwaitEnd(7L << 32 | 7))));
    }

    @Test
    void aFailedMountIsToldAndLeavesNothing() {
        assertAll(
                () -> assertEquals(Errno.EINVAL, refused(mount("web", "fly"))),
                () -> assertEquals(
                        Errno.ENOENT,
                        refused(ask(new Request.Mount("web", work.resolve("none"), work, "emulate=luo")))),
                () -> assertEquals(Errno.EINVAL, refused(ask(new Request.Mount("..", work, work, "emulate=luo")))),
                () -> assertEquals(List.of(), mounts()));
    }

    @Test
    void aSecondDaemonIsRefused() {
        ErrnoException refused = assertThrows(ErrnoException.class, () -> Daemon.start(address));

        assertEquals(Errno.EBUSY, refused.errno());
        assertTrue(
                refused.getMessage()
                        .contains("process " + ProcessHandle.current().pid()),
                refused.getMessage());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "1",
                "1\0",
                "1\0fly\0",
                "1\0mount\0web\0",
                "1\0mount\0web\0relative\0/\0\0",
                "1\0await\0x\0",
                "1\0await\0001:2:3\0",
                "1\0drop\0relative\0",
                "1\0mount\0web\0/mnt\0/\0no NUL at the end",
                "2\0mount\0web\0/mnt\0/\0\0"
            })
    void whatIsNoRequestIsRefused(String request) throws IOException {
        String answer = say(request.getBytes(StandardCharsets.UTF_8));

        assertTrue(answer.matches("1 error (EINVAL|EPROTONOSUPPORT) .*\n"), answer);
        assertEquals(new Answer.Done(), mount("after"));
    }

    @Test
    void aRequestThatIsTooLongIsRefused() throws IOException {
        String answer = say(new byte[Request.LONGEST + 1]);

        assertTrue(answer.isEmpty() || answer.startsWith("1 error EMSGSIZE "), answer);
        assertEquals(new Answer.Done(), mount("after"));
    }

    @Test
    void aClientThatSaysNothingKeepsNobody() throws IOException {
        try (SocketChannel silent = SocketChannel.open(UnixDomainSocketAddress.of(address.socket()))) {
            silent.write(ByteBuffer.wrap(new byte[] {'1'}));
            assertEquals(new Answer.Done(), mount("other"));
        }
    }

    private String say(byte[] bytes) throws IOException {
        try (SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(address.socket()))) {
            channel.write(ByteBuffer.wrap(bytes));
            channel.shutdownOutput();
            ByteBuffer answer = ByteBuffer.allocate(4096);
            try {
                while (channel.read(answer) >= 0) {
                    // Until its end.
                    assertTrue(answer.hasRemaining());
                }
            } catch (IOException e) {
                // It hung up with something unread.
                return "";
            }
            return new String(answer.array(), 0, answer.position(), StandardCharsets.UTF_8);
        }
    }
}
