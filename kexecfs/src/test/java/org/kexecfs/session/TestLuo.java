package org.kexecfs.session;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.luo.EmulatedLiveUpdate;
import org.kexecfs.luo.LiveUpdate;
import org.kexecfs.luo.LiveUpdateSession;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;

/** The emulation, except where a test wants it to fail, or to hand out something else than what it was given. */
final class TestLuo implements LiveUpdate {
    private final Path directory;
    private final EmulatedLiveUpdate emulation;
    private final Set<TestSession> open = new LinkedHashSet<>();
    private final Map<Long, UnaryOperator<Fd>> retrieved = new HashMap<>();
    private Runnable atEachStep = () -> {};
    private int refusedCall = -1;
    private Errno refusal;
    private final Map<Long, Errno> refused = new HashMap<>();
    private int calls;
    private Optional<Errno> down = Optional.empty();
    private Optional<Errno> unfinished = Optional.empty();

    TestLuo(Path directory) {
        this.directory = directory;
        emulation = new EmulatedLiveUpdate(directory);
    }

    /** The call of {@code preserve} with this number, the next one being 0, fails. */
    void refuse(int call, Errno errno) {
        calls = 0;
        refusedCall = call;
        refusal = errno;
    }

    /** Every call of {@code preserve} with this token fails. */
    void refuses(long token, Errno errno) {
        refused.put(token, errno);
    }

    /** From now on every call for a session fails. */
    void down(Errno errno) {
        down = Optional.of(errno);
    }

    /** Finishing fails, until it is {@link #finishes} again. */
    void doesNotFinish(Errno errno) {
        unfinished = Optional.of(errno);
    }

    void finishes() {
        unfinished = Optional.empty();
    }

    /** The file under a token cannot be had. */
    void loses(long token, Errno errno) {
        gives(token, file -> {
            file.close();
            throw new ErrnoException(errno, "token " + token);
        });
    }

    /** What the file under a token is replaced by. */
    void gives(long token, UnaryOperator<Fd> instead) {
        retrieved.put(token, instead);
    }

    /** Tokens that are held for the next kernel now. */
    Set<Long> held() {
        return open.stream().flatMap(session -> session.held.stream()).collect(Collectors.toCollection(TreeSet::new));
    }

    /** Names of the sessions that are open now and hold anything. */
    Set<String> holding() {
        return open.stream()
                .filter(session -> !session.held.isEmpty())
                .map(TestSession::name)
                .collect(Collectors.toCollection(TreeSet::new));
    }

    /** Names of incoming sessions that nobody has finished. */
    List<String> incoming() {
        try (Stream<Path> sessions = Files.list(directory.resolve("current/incoming"))) {
            return sessions.map(path -> path.getFileName().toString()).sorted().toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** What is done before and after each call that changes what LUO holds. */
    void atEachStep(Runnable step) {
        atEachStep = step;
    }

    EmulatedLiveUpdate.Kexec kexec() {
        EmulatedLiveUpdate.Kexec kexec = emulation.kexec();
        open.clear();
        return kexec;
    }

    @Override
    public LiveUpdateSession createSession(String name) {
        fail(down);
        atEachStep.run();
        TestSession session = new TestSession(emulation.createSession(name));
        atEachStep.run();
        return session;
    }

    @Override
    public LiveUpdateSession retrieveSession(String name) {
        fail(down);
        return new TestSession(emulation.retrieveSession(name));
    }

    @Override
    public LiveUpdateSession adopt(Fd fd) {
        return new TestSession(emulation.adopt(fd));
    }

    @Override
    public String kernel() {
        return emulation.kernel();
    }

    private static void fail(Optional<Errno> with) {
        with.ifPresent(errno -> {
            throw new ErrnoException(errno, "as the test wants it");
        });
    }

    @Override
    public boolean emulated() {
        return true;
    }

    @Override
    public String toString() {
        return emulation.toString();
    }

    private final class TestSession implements LiveUpdateSession {
        private final LiveUpdateSession session;

        private final Set<Long> held = new TreeSet<>();

        private TestSession(LiveUpdateSession session) {
            this.session = session;
            open.add(this);
        }

        @Override
        public String name() {
            return session.name();
        }

        @Override
        public void preserve(Fd file, long token) {
            if (calls++ == refusedCall) {
                throw new ErrnoException(refusal, "as the test wants it");
            }
            fail(Optional.ofNullable(refused.get(token)));
            session.preserve(file, token);
            held.add(token);
            atEachStep.run();
        }

        @Override
        public Fd retrieve(long token) {
            return retrieved.getOrDefault(token, file -> file).apply(session.retrieve(token));
        }

        @Override
        public void finish() {
            fail(unfinished);
            session.finish();
        }

        @Override
        public Fd fd() {
            return session.fd();
        }

        @Override
        public void close() {
            try {
                atEachStep.run();
            } finally {
                open.remove(this);
                session.close();
            }
            atEachStep.run();
        }
    }
}
