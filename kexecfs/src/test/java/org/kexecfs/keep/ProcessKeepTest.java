package org.kexecfs.keep;

import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.kexecfs.keep.Parker.content;
import static org.kexecfs.keep.Parker.memfd;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import jnr.constants.platform.linux.Errno;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.kexecfs.luo.EmulatedLiveUpdate;
import org.kexecfs.luo.LiveUpdateSession;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.ProcessId;
import org.kexecfs.posix.ResourceLimits.OpenFiles;
import org.kexecfs.posix.Shadow;

/** What a keeper process does for its daemon, through kills of either. */
class ProcessKeepTest {
    private static final Duration LONG = Duration.ofSeconds(30);

    @TempDir
    private Path directory;

    private final List<Fd> files = new ArrayList<>();

    @AfterEach
    void nothingIsLeftBehind() {
        files.forEach(Fd::close);
        keepersAndShadows().forEach(ProcessHandle::destroyForcibly);
        // Those of who was called otherwise.
        Seat.processes(directory).stream()
                .filter(ProcessKeepTest::isShadow)
                .forEach(pid -> ProcessHandle.of(pid).ifPresent(ProcessHandle::destroyForcibly));
        await().atMost(LONG).until(() -> keepersAndShadows().findAny().isEmpty());
    }

    @Test
    void whatADaemonParkedIsFoundByTheNext() {
        Fd file = file("bytes");
        try (Keep keep = open()) {
            keep.park("web/1", file);
        }
        try (Keep next = open()) {
            assertEquals(Set.of("web/1"), next.found().keySet());
            assertEquals(file.status().id(), found(next, "web/1").status().id());
        }
    }

    @Test
    void whatAKilledDaemonParkedIsFoundByTheNext() throws IOException {
        try (Parker daemon = Parker.start(List.of(), directory, "a", "b")) {
            assertEquals("parked", daemon.said());
            daemon.kill();
        }
        try (Keep next = open()) {
            assertEquals(Set.of("a", "b"), next.found().keySet());
            assertEquals("a", content(found(next, "a")));
            assertEquals("b", content(found(next, "b")));
        }
    }

    @Test
    void whatWasReleasedIsClosedOnceThatIsSettled() {
        try (Keep keep = open();
                Fd.Pipe pipe = Fd.pipe()) {
            keep.park("pipe", pipe.write());
            keep.release("pipe");
            keep.settle();
            pipe.write().close();
            assertEquals(0, pipe.read().read(Fd.allocate(1), 1));
            assertEquals(Map.of(), keep.found());
        }
    }

    @Test
    void whatWasFoundAndReleasedIsNotFoundAgain() {
        try (Keep keep = open()) {
            keep.park("a", file("a"));
            keep.park("b", file("b"));
        }
        try (Keep next = open()) {
            found(next, "a");
            found(next, "b");
            next.release("a");
            assertEquals(Set.of("b"), next.found().keySet());
        }
        try (Keep third = open()) {
            assertEquals(Set.of("b"), third.found().keySet());
            found(third, "b");
        }
    }

    @Test
    void aKeeperThatIsKilledIsReplacedByOneThatHasEverything() {
        try (Keep keep = open()) {
            keep.park("a", file("a"));
            keep.park("b", file("b"));
            keep.release("a");
            killKeeper();
            keep.park("c", file("c"));
        }
        try (Keep next = open()) {
            assertEquals(Set.of("b", "c"), next.found().keySet());
            found(next, "b");
            assertEquals("c", content(found(next, "c")));
        }
    }

    @Test
    void aKeeperThatIsKilledIsReplacedThoughNobodyTalksToIt() {
        try (Keep keep = open()) {
            keep.park("a", file("a"));
            long killed = killKeeper();
            await().atMost(LONG)
                    .until(() -> keepers().size() == 1 && keepers().getFirst().pid() != killed);
        }
        try (Keep next = open()) {
            assertEquals("a", content(found(next, "a")));
        }
    }

    @Test
    void ofBothKilledAtOnceTheNextFindsAllThatWasParked() throws Exception {
        try (Parker daemon = Parker.start(List.of(), directory, "a", "b")) {
            assertEquals("parked", daemon.said());
            daemon.stop();
            killKeeper();
            daemon.kill();
        }
        try (Keep next = open()) {
            assertEquals(Set.of("a", "b"), next.found().keySet());
            assertEquals("a", content(found(next, "a")));
            assertEquals("b", content(found(next, "b")));
            assertEquals(1, keepers().size());
            assertEquals(1, shadows().size());
        }
    }

    @Test
    void ofBothKilledAtOnceTheNextFindsAlsoWhatTheKeeperHadNotRead() throws Exception {
        try (Parker daemon = Parker.start(List.of(), directory, "a", Parker.STOP, "b", "c")) {
            assertEquals("parked", daemon.said());
            daemon.stop();
            killKeeper();
            daemon.kill();
        }
        try (Keep next = open()) {
            assertEquals(Set.of("a", "b", "c"), next.found().keySet());
            for (String name : List.of("a", "b", "c")) {
                assertEquals(name, content(found(next, name)));
            }
        }
    }

    @Test
    void aKeeperKilledBetweenLuosAnswerAndItsOwn_hasItsSessionFoundByTheNext() throws Exception {
        Path emulation = directory.resolve("luo");
        EmulatedLiveUpdate luo = new EmulatedLiveUpdate(emulation);
        try (LiveUpdateSession outgoing = luo.createSession("web")) {
            outgoing.preserve(file("preserved"), 7);
            luo.kexec();
        }
        KilledKeeper.run(directory, "web/luo.1", emulation, "web");
        try (Keep keep = open();
                LiveUpdateSession session = keep.retrieve("web/luo.1", luo, "web");
                Fd file = session.retrieve(7)) {
            assertEquals(Set.of("web/luo.1"), keep.found().keySet());
            assertEquals("preserved", content(file));
            found(keep, "web/luo.1");
            keep.release("web/luo.1");
        }
    }

    @Test
    void whoMayNotLookIntoAShadowEndsIt_andBeginsWithNothing() throws Exception {
        try (Parker daemon = Parker.start(List.of(), directory, "a")) {
            assertEquals("parked", daemon.said());
            daemon.stop();
            killKeeper();
            daemon.kill();
        }
        ProcessHandle shadow = shadows().getFirst();
        try (Parker other = Parker.start(List.of("setpriv", "--bounding-set=-sys_ptrace"), directory, "b")) {
            assertEquals("parked", other.said());
            assertEquals("settled", other.settles());
            assertEquals(1, shadows().size());
            assertNotEquals(shadow, shadows().getFirst());
        }
    }

    @Test
    void aShadowThatIsKilledIsReplaced_andTheKeeperIsNot() throws IOException {
        try (Keep keep = open()) {
            keep.park("a", file("a"));
            ProcessHandle keeper = keepers().getFirst();
            ProcessHandle shadow = shadows().getFirst();
            shadow.destroyForcibly();
            await().atMost(LONG).until(() -> shadows().size() == 1 && !shadows().contains(shadow));
            assertEquals(List.of(keeper), keepers());
            killKeeper();
        }
        try (Keep next = open()) {
            assertEquals("a", content(found(next, "a")));
        }
    }

    @Test
    void aKeeperThatHoldsNothingEndsWithItsDaemon() {
        try (Keep keep = open()) {
            keep.park("a", file("a"));
            keep.release("a");
            assertEquals(1, keepers().size());
        }
        await().atMost(LONG).until(() -> keepersAndShadows().findAny().isEmpty());
    }

    @Test
    void signalsThatEndADaemonDoNotEndItsKeeper() throws IOException, InterruptedException {
        try (Keep keep = open()) {
            keep.park("a", file("a"));
            String pid = Long.toString(keepers().getFirst().pid());
            for (String signal : List.of("TERM", "HUP", "INT")) {
                assertEquals(
                        0, new ProcessBuilder("kill", "-" + signal, pid).start().waitFor());
            }
            keep.settle();
            assertEquals(pid, Long.toString(keepers().getFirst().pid()));
        }
    }

    @Test
    void aDaemonThatWasKilledIsStartedAgain_andASignalEndsItAsBefore() throws IOException {
        Path started = directory.resolve("started");
        try (Parker daemon =
                Parker.start(List.of(), directory, "a", Parker.RESTART + "grep SigIgn /proc/self/status >" + started)) {
            assertEquals("parked", daemon.said());
            daemon.kill();
        }
        await().atMost(LONG).until(() -> Files.exists(started) && Files.size(started) > 0);
        assertEquals(
                ignoredOfThoseThatEndIt(Files.readString(Path.of("/proc/self/status"))),
                ignoredOfThoseThatEndIt(Files.readString(started)));
    }

    /** Which of SIGHUP and SIGTERM a process ignores: as bits, by proc_pid_status(5). Under nohup(1) that is the first. */
    private static long ignoredOfThoseThatEndIt(String status) {
        long ignored = status.lines()
                .filter(line -> line.startsWith("SigIgn:"))
                .map(line -> Long.parseLong(line.split("\\s+")[1], 16))
                .findFirst()
                .orElseThrow();
        return ignored & (1 << 15 - 1 | 1 << 1 - 1);
    }

    @Test
    void aDaemonThatNeverComesUpIsStartedAFewTimesAtOnceAndThenSeldom() throws IOException {
        Path started = directory.resolve("started");
        try (Parker daemon = Parker.start(List.of(), directory, "a", Parker.RESTART + "echo >>" + started)) {
            assertEquals("parked", daemon.said());
            daemon.kill();
        }
        await().atMost(LONG).until(() -> Files.exists(started) && Files.size(started) >= Restarts.AT_ONCE);
        await().during(Duration.ofMillis(500)).atMost(LONG).until(() -> Files.size(started) <= Restarts.AT_ONCE + 1);
        try (Keep next = open()) {
            found(next, "a");
        }
    }

    @Test
    void aDaemonThatEndsInOrderIsNotStartedAgain() throws IOException {
        Path started = directory.resolve("started");
        try (Keep keep = open()) {
            keep.park("a", file("a"));
            keep.restartBy(List.of("sh", "-c", "echo >" + started));
        }
        // What the keeper would start it has started before it serves the next.
        await().during(Duration.ofMillis(300)).atMost(LONG).until(() -> Files.notExists(started));
        try (Keep next = open()) {
            found(next, "a");
        }
    }

    @Test
    void alsoTheNextKeeperKnowsHowToStartTheDaemonAgain() throws IOException {
        Path started = directory.resolve("started");
        try (Parker daemon = Parker.start(List.of(), directory, "a", Parker.RESTART + "echo >" + started)) {
            assertEquals("parked", daemon.said());
            killKeeper();
            assertEquals("settled", daemon.settles());
            daemon.kill();
        }
        await().atMost(LONG).until(() -> Files.exists(started));
        try (Keep next = open()) {
            found(next, "a");
        }
    }

    @Test
    void aKeeperHasASessionOfItsOwn() throws IOException {
        try (Keep keep = open()) {
            keep.settle();
            long pid = keepers().getFirst().pid();
            String[] stat = Files.readString(Path.of("/proc/" + pid + "/stat"))
                    .replaceFirst(".*\\) ", "")
                    .split(" ");
            assertEquals(Long.toString(pid), stat[3], "session of " + pid);
        }
    }

    @Test
    void aSecondDaemonIsRefusedWithEbusy() {
        try (Keep keep = open()) {
            keep.settle();
            assertEquals(Errno.EBUSY, fails(this::open).errno());
        }
    }

    @Test
    void rootWithFewerCapabilitiesIsRefused() throws IOException {
        try (Keep keep = open()) {
            keep.settle();
            List<String> prefix = List.of("setpriv", "--bounding-set=-sys_ptrace");
            try (Parker other = Parker.start(prefix, directory, "a")) {
                assertEquals("EPERM", other.said());
            }
        }
    }

    /** It would seem to be there to whoever starts the next daemon, and that one would wait for its own. */
    @Test
    void aKeeperThatHasEndedCanBeStartedBesideTheNextDaemon() {
        open().close();
        await().atMost(LONG).until(() -> keepersAndShadows().findAny().isEmpty());
        assertTrue(Keep.keeper(directory).isPresent());
    }

    @Test
    void moreThanTheKeeperMayHoldGivesEmfileAndTheRestIsKept() throws InterruptedException {
        try (Keeper keeper = Keeper.listen(directory, 2, command -> null)) {
            Thread running = Thread.ofPlatform().start(keeper::run);
            try (Keep keep = open()) {
                keep.park("a", file("a"));
                keep.park("b", file("b"));
                Fd third = file("c");
                assertEquals(Errno.EMFILE, fails(() -> keep.park("c", third)).errno());
                keep.release("a");
                keep.park("c", third);
            }
            try (Keep next = open()) {
                assertEquals(Set.of("b", "c"), next.found().keySet());
                found(next, "b");
                found(next, "c");
                next.release("b");
                next.release("c");
            }
            running.join();
        }
    }

    @Test
    void whoMayNotOpenAllThatIsHeldIsToldSo_andItIsHeldStill() throws IOException {
        Set<String> names = new HashSet<>();
        Fd file = file("bytes");
        try (Keep keep = open()) {
            for (int i = 0; i < 100; i++) {
                names.add("file" + i);
                keep.park("file" + i, file);
            }
        }
        OpenFiles before = OpenFiles.current();
        new OpenFiles(withRoomFor(50), before.hard()).set();
        try {
            ErrnoException refused = assertThrows(ErrnoException.class, this::open);
            assertEquals(Errno.EMFILE, refused.errno(), refused.getMessage());
        } finally {
            before.set();
        }
        try (Keep next = open()) {
            assertEquals(names, next.found().keySet());
            next.found().values().forEach(Fd::close);
        }
    }

    /** The limit with which this process can open so many more: a new descriptor has the lowest number that is free. */
    private static int withRoomFor(int more) throws IOException {
        Set<Integer> open;
        try (Stream<Path> all = Files.list(Path.of("/proc/self/fd"))) {
            open = all.map(path -> Integer.valueOf(path.getFileName().toString()))
                    .collect(Collectors.toSet());
        }
        return IntStream.iterate(0, number -> number + 1)
                        .filter(number -> !open.contains(number))
                        .limit(more)
                        .max()
                        .orElseThrow()
                + 1;
    }

    @Test
    void theKeeperRetrievesASessionOfLuoAndHoldsIt() {
        EmulatedLiveUpdate luo = new EmulatedLiveUpdate(directory.resolve("luo"));
        try (LiveUpdateSession outgoing = luo.createSession("web")) {
            outgoing.preserve(file("preserved"), 7);
            luo.kexec();
        }
        try (Keep keep = open();
                LiveUpdateSession session = keep.retrieve("web/luo.1", luo, "web")) {
            assertTrue(session.isIncoming());
            assertEquals(
                    Errno.ENOENT,
                    fails(() -> keep.retrieve("web/luo.2", luo, "other")).errno());
            assertEquals(
                    Errno.EINVAL,
                    fails(() -> keep.retrieve("web/luo.2", luo, "web")).errno());
        }
        try (Keep next = open();
                LiveUpdateSession session = luo.adopt(next.found().get("web/luo.1"));
                Fd file = session.retrieve(7)) {
            assertEquals("preserved", content(file));
            next.release("web/luo.1");
        }
    }

    @Test
    void namesThatSystemdWouldNotTakeAreRefused() {
        try (Keep keep = open()) {
            Fd file = file("a");
            for (String name : List.of("", "a:b", "a\nb", "ü", "x".repeat(Keep.LONGEST_NAME + 1))) {
                assertEquals(Errno.EINVAL, fails(() -> keep.park(name, file)).errno(), name);
            }
            keep.park("x".repeat(Keep.LONGEST_NAME), file);
            keep.release("x".repeat(Keep.LONGEST_NAME));
        }
    }

    @Test
    void thousandsAreParkedAndFound() {
        Map<String, Fd> many = new LinkedHashMap<>();
        for (int i = 0; i < 5000; i++) {
            many.put("many/" + i, file(Integer.toString(i)));
        }
        try (Keep keep = open()) {
            many.forEach(keep::park);
        }
        try (Keep next = open()) {
            assertEquals(many.keySet(), next.found().keySet());
            next.found().forEach((name, file) -> {
                files.add(file);
                assertEquals(many.get(name).status().id(), file.status().id());
            });
        }
    }

    @Test
    void aKeeperThatCannotBeStartedIsToldWithItsWords() {
        KeeperCommand command = new KeeperCommand(List.of("echo", "no", "memory"));
        ErrnoException e = fails(() -> new ProcessKeep(directory, command));
        assertEquals(Errno.EIO, e.errno());
        assertTrue(e.getMessage().contains("no memory"), e.getMessage());
    }

    private Keep open() {
        return new ProcessKeep(directory, KeeperCommand.ofThisJvm(directory));
    }

    private static ErrnoException fails(org.junit.jupiter.api.function.Executable call) {
        return assertThrows(ErrnoException.class, call);
    }

    private Fd file(String content) {
        Fd file = memfd(content);
        files.add(file);
        return file;
    }

    private Fd found(Keep keep, String name) {
        Fd file = keep.found().get(name);
        files.add(file);
        return file;
    }

    /** Its parent may be stopped, and reap nobody. */
    private long killKeeper() {
        ProcessHandle keeper = keepers().getFirst();
        Optional<ProcessId> id = ProcessId.of((int) keeper.pid());
        keeper.destroyForcibly();
        await().atMost(LONG).until(() -> !id.orElseThrow().isRunning());
        return keeper.pid();
    }

    private List<ProcessHandle> keepers() {
        return keepersAndShadows().filter(process -> !isShadow(process.pid())).toList();
    }

    private List<ProcessHandle> shadows() {
        return keepersAndShadows().filter(process -> isShadow(process.pid())).toList();
    }

    private Stream<ProcessHandle> keepersAndShadows() {
        String last = directory.toString();
        return ProcessHandle.allProcesses().filter(process -> isKeeper(process.pid(), last));
    }

    private static boolean isShadow(long pid) {
        try {
            return Files.readString(Path.of("/proc/" + pid + "/comm")).equals(Shadow.NAME + "\n");
        } catch (IOException e) {
            return false;
        }
    }

    private static boolean isKeeper(long pid, String last) {
        try {
            return Optional.of(Files.readString(Path.of("/proc/" + pid + "/cmdline")))
                    .filter(line -> line.endsWith(Keeper.class.getName() + "\0" + last + "\0"))
                    .isPresent();
        } catch (IOException e) {
            return false;
        }
    }
}
