package org.kexecfs.luo;

import static jnr.constants.platform.linux.Errno.EEXIST;
import static jnr.constants.platform.linux.Errno.EIO;
import static jnr.constants.platform.linux.Errno.ENODEV;
import static jnr.constants.platform.linux.Errno.ENOENT;
import static jnr.constants.platform.linux.Errno.ENOSPC;
import static jnr.constants.platform.linux.Errno.ENOTDIR;
import static jnr.constants.platform.linux.Errno.ENOTEMPTY;
import static jnr.constants.platform.linux.Errno.EPERM;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.kexecfs.luo.Check.fails;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.FsContext;
import org.kexecfs.posix.Pidfd;

/** What is the emulation's own, beside the {@link Contract}. */
class EmulatedLiveUpdateTest {
    @TempDir
    private Path temporary;

    private Path directory;
    private EmulatedLiveUpdate luo;

    @BeforeEach
    void makeOne() {
        directory = temporary.resolve("emulation");
        luo = new EmulatedLiveUpdate(directory);
    }

    // The kexec

    @Test
    void itTellsWhatItCarriedAndWhoHadSessions() {
        luo.createSession("before");
        luo.kexec();
        LiveUpdateSession incoming = luo.retrieveSession("before");
        LiveUpdateSession outgoing = luo.createSession("next");
        int self = (int) ProcessHandle.current().pid();

        assertEquals(new EmulatedLiveUpdate.Kexec(List.of("next"), List.of(self)), luo.kexec());

        incoming.close();
        outgoing.close();
    }

    @Test
    void aSessionThatNobodyRetrievedIsDroppedByTheNext() throws IOException {
        try (Fd file = memfd("contents")) {
            luo.createSession("name").preserve(file, 1);
            luo.kexec();
            luo.kexec();

            fails(ENOENT, () -> luo.retrieveSession("name"));
            assertNothingIsLeft();
        }
    }

    @Test
    void sessionsOfTheKernelBeforeGiveENODEV() {
        try (Fd file = memfd("contents")) {
            luo.createSession("incoming").preserve(file, 1);
            luo.kexec();
            LiveUpdateSession incoming = luo.retrieveSession("incoming");
            LiveUpdateSession outgoing = luo.createSession("outgoing");
            luo.kexec();

            fails(ENODEV, outgoing::name);
            fails(ENODEV, () -> outgoing.preserve(file, 1));
            fails(ENODEV, () -> incoming.retrieve(1));
            fails(ENODEV, incoming::finish);

            LiveUpdateSession sameName = luo.createSession("outgoing");
            outgoing.close();
            incoming.close();
            assertEquals("outgoing", sameName.name());
            luo.retrieveSession("outgoing").close();
            sameName.close();
        }
    }

    @Test
    void whenASizeWasChanged_itGivesEPERM_andNothingHasChanged() {
        try (Fd good = memfd("good");
                Fd grown = memfd("four");
                LiveUpdateSession first = luo.createSession("a");
                LiveUpdateSession second = luo.createSession("b")) {
            first.preserve(good, 1);
            second.preserve(grown, 2);
            grown.truncate(5);
            List<Path> before = tree();

            String message = fails(EPERM, luo::kexec);

            assertTrue(message.contains("session 'b', token 2") && message.contains("4 bytes and has 5"), message);
            assertEquals(before, tree());
            fails(EEXIST, () -> luo.createSession("a"));
            fails(ENOENT, () -> luo.retrieveSession("a"));
            grown.truncate(4);
            first.preserve(memfd("more"), 2);
            assertEquals(List.of("a", "b"), luo.kexec().sessions());
        }
    }

    @Test
    void whenThereIsNoRoomForTheContents_itGivesENOSPC_andNothingHasChanged() {
        assumeTrue(isRoot(), "a small filesystem of its own takes CAP_SYS_ADMIN");
        try (FsContext context = FsContext.open("tmpfs").set("size", "1m").set("mode", "0700");
                Fd root = context.mount(0)) {
            EmulatedLiveUpdate small = new EmulatedLiveUpdate(Path.of("/proc/self/fd/" + root.number() + "/emulation"));
            try (LiveUpdateSession session = small.createSession("name");
                    Fd file = Fd.memfd("large");
                    Fd other = memfd("small")) {
                file.truncate(2 << 20);
                session.preserve(file, 1);

                fails(ENOSPC, small::kexec);
                fails(ENOSPC, small::kexec);

                session.preserve(other, 2);
                fails(EEXIST, () -> small.createSession("name"));
                fails(ENOENT, () -> small.retrieveSession("name"));
            }
            small.createSession("name").close();
            assertEquals(List.of(), small.kexec().sessions());
        }
    }

    @Test
    void aSessionThatAnotherProcessHoldsIsCarriedOver() throws Exception {
        try (Holder holder = Holder.start(directory, "create", "name")) {
            fails(EEXIST, () -> luo.createSession("name"));

            assertEquals(new EmulatedLiveUpdate.Kexec(List.of("name"), List.of(holder.pid())), luo.kexec());

            try (LiveUpdateSession session = luo.retrieveSession("name");
                    Fd file = session.retrieve(1)) {
                assertEquals("held by another", contents(file));
                assertEquals(3, file.position());
            }
        }
    }

    @Test
    void theContractHoldsAcrossProcesses() throws Exception {
        List<String> kexec = Stream.concat(
                        Jvm.running("org.kexecfs.luo.EmulatedLiveUpdateTest$KexecNow").stream(),
                        Stream.of(directory.toString()))
                .toList();

        String before = contract(
                Stream.concat(Stream.of("before", "--emulate", directory.toString(), "--then"), kexec.stream()));
        String after = contract(Stream.of("after", "--emulate", directory.toString()));

        assertTrue(!before.contains("not ok") && before.contains("\n1.."), before);
        assertTrue(!after.contains("not ok") && after.contains("\n1.."), after);
    }

    /** A program: a kexec of the emulation in its argument. */
    static final class KexecNow {
        public static void main(String[] args) {
            System.out.println("# " + new EmulatedLiveUpdate(Path.of(args[0])).kexec());
        }
    }

    private static String contract(Stream<String> arguments) throws Exception {
        List<String> command = Stream.concat(Jvm.running("org.kexecfs.luo.DeviceContract").stream(), arguments)
                .toList();
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String said = new String(process.getInputStream().readAllBytes());
        assertEquals(0, process.waitFor(), said);
        return said;
    }

    // Death

    @Test
    void aSessionOutlivesItsProcess_whereDescriptorsOfItAndItsFilesAreElsewhere() throws Exception {
        try (Holder holder = Holder.start(directory, "create", "name");
                Fd session = taken(holder, "/emulation/kernel.1/outgoing/name/session")) {
            try (Fd file = taken(holder, "/memfd:held (deleted)")) {
                holder.kill();
                int self = (int) ProcessHandle.current().pid();
                fails(EEXIST, () -> luo.createSession("name"));

                assertEquals(new EmulatedLiveUpdate.Kexec(List.of("name"), List.of(self)), luo.kexec());

                try (LiveUpdateSession incoming = luo.retrieveSession("name");
                        Fd restored = incoming.retrieve(1)) {
                    assertEquals("held by another", contents(restored));
                    assertEquals(file.position(), restored.position());
                }
            }
            assertTrue(session.number() >= 0);
        }
    }

    @Test
    void withoutItsFilesASessionThatOutlivedItsProcessGivesENOENT() throws Exception {
        try (Holder holder = Holder.start(directory, "create", "name")) {
            try (Fd session = taken(holder, "/emulation/kernel.1/outgoing/name/session")) {
                holder.kill();

                String message = fails(ENOENT, luo::kexec);

                assertTrue(message.contains("session 'name', token 1"), session + ": " + message);
            }
            assertEquals(List.of(), luo.kexec().sessions());
        }
    }

    /** A duplicate of what another process has open, by what /proc says of it. */
    private static Fd taken(Holder holder, String what) throws IOException {
        Path fds = Path.of("/proc/" + holder.pid() + "/fd");
        try (Pidfd process = Pidfd.open(holder.pid());
                Stream<Path> all = Files.list(fds)) {
            for (Path fd : all.toList()) {
                if (Files.readSymbolicLink(fd).toString().endsWith(what)) {
                    return process.getFd(Integer.parseInt(fd.getFileName().toString()));
                }
            }
        }
        throw new AssertionError(what + " is not open in process " + holder.pid());
    }

    @Test
    void aHolderThatIsKilledHasClosedItsOutgoingSession() throws Exception {
        try (Holder holder = Holder.start(directory, "create", "name")) {
            holder.kill();

            luo.createSession("name").close();
            assertNothingIsLeft();
        }
    }

    @Test
    void aHolderThatIsKilledIsNotCarriedOver() throws Exception {
        try (Holder holder = Holder.start(directory, "create", "name")) {
            holder.kill();

            assertEquals(new EmulatedLiveUpdate.Kexec(List.of(), List.of()), luo.kexec());
            fails(ENOENT, () -> luo.retrieveSession("name"));
        }
    }

    @Test
    void aHolderThatIsKilledHasFinishedItsIncomingSession() throws Exception {
        try (Fd file = memfd("contents");
                LiveUpdateSession session = luo.createSession("name")) {
            session.preserve(file, 1);
            luo.kexec();
            try (Holder holder = Holder.start(directory, "retrieve", "name")) {
                fails(jnr.constants.platform.linux.Errno.EINVAL, () -> luo.retrieveSession("name"));
                holder.kill();

                fails(ENOENT, () -> luo.retrieveSession("name"));
                assertNothingIsLeft();
            }
        }
    }

    @Test
    void aKillAtAnyMomentLeavesNothingInTheWay() throws Exception {
        Random random = new Random(1);
        for (int round = 0; round < 8; round++) {
            try (Holder holder = Holder.start(directory, "churn", "name")) {
                Thread.sleep(random.nextInt(60));
                holder.kill();
            }
            try (LiveUpdateSession session = luo.createSession("name");
                    Fd file = memfd("contents")) {
                session.preserve(file, 1);
                assertEquals(List.of("name"), luo.kexec().sessions());
                try (LiveUpdateSession incoming = luo.retrieveSession("name");
                        Fd restored = incoming.retrieve(1)) {
                    assertEquals("contents", contents(restored));
                }
            }
            luo.createSession("other").close();
            assertNothingIsLeft();
        }
    }

    @Test
    void litterOfTheDeadIsSweptUp() throws IOException {
        for (String litter : List.of("trash", "kernel.2", "kernel.9")) {
            Files.createDirectories(directory.resolve(litter).resolve("outgoing/name/files"));
        }
        Files.createSymbolicLink(directory.resolve("current.new"), Path.of("kernel.9"));
        Files.createDirectories(directory.resolve("kernel.1/outgoing/name/files"));
        // Killed between the end of a session and that of what led to its file.
        Files.writeString(directory.resolve("trash/outgoing/name/files/1"), "fd 5\ndevice 7\ninode 9\nsize 1\n");
        Files.createSymbolicLink(directory.resolve("kernel.1/held/0:7:9"), Path.of("../outgoing/name/files/1"));

        luo.createSession("name").close();

        assertNothingIsLeft();
        assertEquals(List.of(), luo.kexec().sessions());
    }

    // Damage

    @Test
    void aFileWhoseContentsAreDamagedGivesEIO_andTheOthersComeBack() throws IOException {
        try (Fd bad = memfd("bad");
                Fd worse = memfd("worse");
                Fd good = memfd("good");
                LiveUpdateSession outgoing = luo.createSession("name")) {
            outgoing.preserve(bad, 1);
            outgoing.preserve(good, 2);
            outgoing.preserve(worse, 3);
            luo.kexec();
            Path session = directory.resolve("current/incoming/name");
            try (RandomAccessFile file =
                    new RandomAccessFile(session.resolve("contents/1").toFile(), "rw")) {
                file.setLength(2);
            }
            Files.writeString(session.resolve("files/3"), "size -1\nposition x\n");
            try (LiveUpdateSession incoming = luo.retrieveSession("name")) {
                String message = fails(EIO, () -> incoming.retrieve(1));
                assertEquals(message, fails(EIO, () -> incoming.retrieve(1)));
                fails(EIO, () -> incoming.retrieve(3));
                try (Fd restored = incoming.retrieve(2)) {
                    assertEquals("good", contents(restored));
                }
            }
        }
    }

    // The directory

    @Test
    void theDirectoryIsOurOwnAndNobodyElses() throws IOException {
        assertEquals("rwx------", PosixFilePermissions.toString(Files.getPosixFilePermissions(directory)));
        assertEquals("emulated " + directory, luo.toString());
        assertTrue(luo.emulated());
    }

    @Test
    void aDirectoryThatOthersCanWriteToIsRefused() throws IOException {
        for (String permissions : List.of("rwx-w----", "rwx----w-")) {
            Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString(permissions));

            fails(EPERM, () -> new EmulatedLiveUpdate(directory));
            fails(EPERM, () -> luo.createSession("name"));
            fails(EPERM, () -> luo.retrieveSession("name"));
            fails(EPERM, luo::kexec);
        }
    }

    @Test
    void aDirectoryOfAnotherUserIsRefused() throws IOException {
        assumeTrue(isRoot(), "to give a directory away takes root");
        Files.setAttribute(directory, "unix:uid", 65534);

        fails(EPERM, () -> new EmulatedLiveUpdate(directory));
    }

    @Test
    void whatIsNoDirectoryIsRefused() throws IOException {
        Path file = Files.createFile(temporary.resolve("file"));

        fails(ENOTDIR, () -> new EmulatedLiveUpdate(file));
    }

    @Test
    void aDirectoryOfOtherThingsIsRefused_andLeftAlone() throws IOException {
        Path home = Files.createDirectories(temporary.resolve("home/kernel.1")).getParent();

        fails(ENOTEMPTY, () -> new EmulatedLiveUpdate(home));

        assertTrue(Files.exists(home.resolve("kernel.1")));
    }

    // Many at once

    @Test
    void ofManyWhoCreateASession_oneHasIt() throws Exception {
        AtomicInteger winners = new AtomicInteger();
        List<LiveUpdateSession> sessions = new ArrayList<>();
        together(8, () -> {
            try {
                LiveUpdateSession session = luo.createSession("name");
                winners.incrementAndGet();
                synchronized (sessions) {
                    sessions.add(session);
                }
            } catch (ErrnoException e) {
                assertTrue(e.is(EEXIST), e.getMessage());
            }
        });

        assertEquals(1, winners.get());
        sessions.forEach(LiveUpdateSession::close);
    }

    @Test
    void kexecsInTheMidstOfEverythingCarryWholeSessions() throws Exception {
        AtomicBoolean done = new AtomicBoolean();
        AtomicInteger number = new AtomicInteger();
        try (ExecutorService others = Executors.newFixedThreadPool(3)) {
            List<Future<?>> running = new ArrayList<>();
            for (int i = 0; i < 3; i++) {
                String name = "session" + number.incrementAndGet();
                running.add(others.submit(() -> churn(name, done)));
            }
            for (int i = 0; i < 15; i++) {
                for (String name : luo.kexec().sessions()) {
                    try (LiveUpdateSession session = luo.retrieveSession(name)) {
                        assertSessionIsAPrefix(session);
                    }
                }
            }
            done.set(true);
            for (Future<?> one : running) {
                one.get();
            }
        }
    }

    private void churn(String name, AtomicBoolean done) {
        while (!done.get()) {
            try (LiveUpdateSession session = luo.createSession(name)) {
                for (int token = 0; token < 5; token++) {
                    try (Fd file = memfd("file " + token)) {
                        session.preserve(file, token);
                    }
                }
            } catch (ErrnoException e) {
                assertTrue(e.is(ENODEV), e.getMessage());
            }
        }
    }

    private static void assertSessionIsAPrefix(LiveUpdateSession session) {
        boolean ended = false;
        for (int token = 0; token < 5; token++) {
            try (Fd file = session.retrieve(token)) {
                assertEquals("file " + token, contents(file));
                assertTrue(!ended, "file " + token + " without the one before");
            } catch (ErrnoException e) {
                assertTrue(e.is(ENOENT), e.getMessage());
                ended = true;
            }
        }
    }

    private static void together(int threads, Runnable work) throws Exception {
        CountDownLatch start = new CountDownLatch(1);
        try (ExecutorService executor = Executors.newFixedThreadPool(threads)) {
            List<Future<?>> running = new ArrayList<>();
            for (int i = 0; i < threads; i++) {
                running.add(executor.submit(() -> {
                    start.await();
                    work.run();
                    return null;
                }));
            }
            start.countDown();
            for (Future<?> one : running) {
                one.get();
            }
        }
    }

    // Leaks

    @Test
    void aWholeLifeLeavesNoDescriptorOpen() throws IOException {
        wholeLife();
        long before = openDescriptors();

        for (int i = 0; i < 20; i++) {
            wholeLife();
        }

        assertEquals(before, openDescriptors());
        assertNothingIsLeft();
    }

    private void wholeLife() {
        try (Fd file = memfd("contents");
                LiveUpdateSession outgoing = luo.createSession("name")) {
            outgoing.preserve(file, 1);
            outgoing.preserve(memfdToClose(), 2);
            fails(EEXIST, () -> luo.createSession("name"));
            fails(EEXIST, () -> outgoing.preserve(file, 1));
            luo.kexec();
            fails(ENODEV, () -> outgoing.preserve(file, 3));
        }
        try (LiveUpdateSession incoming = luo.retrieveSession("name");
                Fd first = incoming.retrieve(1);
                Fd again = incoming.retrieve(1)) {
            fails(ENOENT, () -> incoming.retrieve(9));
            assertEquals(contents(first), contents(again));
        }
    }

    private final List<Fd> toClose = new ArrayList<>();

    private Fd memfdToClose() {
        toClose.forEach(Fd::close);
        toClose.clear();
        toClose.add(memfd("another"));
        return toClose.get(0);
    }

    private static long openDescriptors() throws IOException {
        try (Stream<Path> fds = Files.list(Path.of("/proc/self/fd"))) {
            return fds.count();
        }
    }

    private static Fd memfd(String contents) {
        Fd memfd = Fd.memfd("test");
        memfd.pwrite(Fd.utf8(contents), 0);
        return memfd;
    }

    private static String contents(Fd file) {
        byte[] bytes = new byte[(int) file.status().size()];
        file.pread(bytes, 0);
        return new String(bytes, java.nio.charset.StandardCharsets.UTF_8);
    }

    private static boolean isRoot() {
        return "root".equals(System.getProperty("user.name"));
    }

    private List<Path> tree() {
        try (Stream<Path> all = Files.walk(directory)) {
            return all.sorted().toList();
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    /** No session, no file, no litter: what an emulation without a session consists of. */
    private void assertNothingIsLeft() throws IOException {
        EmulatedKernel.lock(directory).close();
        Path kernel = directory.resolve("current").toRealPath();
        List<Path> expected = Stream.of(
                        directory,
                        directory.resolve("current"),
                        kernel,
                        kernel.resolve("held"),
                        kernel.resolve("incoming"),
                        kernel.resolve("outgoing"),
                        directory.resolve("lock"))
                .toList();
        assertEquals(expected, tree());
    }
}
