package org.kexecfs.mount;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import jnr.constants.platform.linux.Errno;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.kexecfs.posix.ErrnoException;

/** One mount of a session at a time. */
class SessionLockTest {
    private static final String HERE = "at /here";

    @TempDir
    private Path temporary;

    private MountOptions options;

    @BeforeEach
    void makeOptions() {
        options = MountOptions.parse("emulate=" + temporary.resolve("luo"));
    }

    private Path file(String name) {
        return temporary.resolve("luo/mounted").resolve(name);
    }

    /** A process that takes the lock, says so, and stays. */
    public static final class Holder {
        private Holder() {}

        /** The program: {@code SESSION OPTIONS}. */
        public static void main(String[] args) throws IOException {
            try (SessionLock lock = SessionLock.take(args[0], MountOptions.parse(args[1]), HERE)) {
                System.out.println(lock);
                System.in.read();
            }
        }
    }

    @Test
    void theSecondIsBusy_andToldWhereTheFirstIs() {
        try (SessionLock first = SessionLock.take("vm", options, HERE)) {
            assertTrue(first != null);
            ErrnoException e = assertThrows(ErrnoException.class, () -> SessionLock.take("vm", options, "at /there"));

            assertEquals(Errno.EBUSY, e.errno());
            assertTrue(e.getMessage().contains("session vm"), e.getMessage());
            assertTrue(
                    e.getMessage()
                            .contains("/here by process "
                                    + ProcessHandle.current().pid()),
                    e.getMessage());
            assertTrue(e.getMessage().contains("umount"), e.getMessage());
        }
    }

    @Test
    void itIsFreeAgainAfterwards_andLeavesNoFile() {
        SessionLock.take("vm", options, HERE).close();
        assertTrue(Files.notExists(file("vm")));

        SessionLock.take("vm", options, HERE).close();
    }

    @Test
    void otherSessionsAndOtherLuosAreOthers() {
        MountOptions other = MountOptions.parse("emulate=" + temporary.resolve("other"));
        try (SessionLock one = SessionLock.take("vm", options, HERE);
                SessionLock two = SessionLock.take("vm2", options, HERE);
                SessionLock three = SessionLock.take("vm", other, HERE)) {
            assertEquals(3, java.util.Set.of(one, two, three).size());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"a b", "%2F", "a\nb", "\u00e9\u20ac", "..."})
    void anyNameOfASessionIsOneFile(String name) {
        try (SessionLock lock = SessionLock.take(name, options, HERE)) {
            assertTrue(lock != null);
            assertEquals(1, file("").toFile().list().length);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"", ".", "..", "a/b"})
    void whatIsNoNameIsInvalid(String name) {
        ErrnoException e = assertThrows(ErrnoException.class, () -> SessionLock.take(name, options, HERE));
        assertEquals(Errno.EINVAL, e.errno());
    }

    @Test
    void whoeverIsKilledHasLetGo() throws IOException {
        Process holder = new ProcessBuilder(
                        ProcessHandle.current().info().command().orElseThrow(),
                        "-XX:TieredStopAtLevel=1",
                        "--enable-native-access=ALL-UNNAMED",
                        "--sun-misc-unsafe-memory-access=allow",
                        "-cp",
                        System.getProperty("java.class.path"),
                        Holder.class.getName(),
                        "vm",
                        "emulate=" + temporary.resolve("luo"))
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        try {
            assertTrue(holder.getInputStream().read() >= 0, "it has the lock");
            ErrnoException e = assertThrows(ErrnoException.class, () -> SessionLock.take("vm", options, HERE));
            assertTrue(e.getMessage().contains("by process " + holder.pid()), e.getMessage());
        } finally {
            holder.destroyForcibly().onExit().orTimeout(10, TimeUnit.SECONDS).join();
        }

        SessionLock.take("vm", options, HERE).close();
    }

    /** The file is taken away by whoever unmounts, while others are about to lock it. */
    @Test
    void manyAtOnceAreNeverTwoAtOnce() throws Exception {
        AtomicInteger holders = new AtomicInteger();
        AtomicInteger taken = new AtomicInteger();
        try (ExecutorService threads = Executors.newFixedThreadPool(4)) {
            List<Future<?>> runs = IntStream.range(0, 4)
                    .<Future<?>>mapToObj(i -> threads.submit(() -> {
                        for (int n = 0; n < 300; n++) {
                            try (SessionLock lock = SessionLock.take("vm", options, HERE)) {
                                assertTrue(lock != null);
                                assertEquals(1, holders.incrementAndGet());
                                taken.incrementAndGet();
                                holders.decrementAndGet();
                            } catch (ErrnoException e) {
                                assertEquals(Errno.EBUSY, e.errno(), e.getMessage());
                            }
                        }
                    }))
                    .toList();
            for (Future<?> run : runs) {
                run.get(30, TimeUnit.SECONDS);
            }
        }
        assertTrue(taken.get() > 0);
        assertTrue(Files.notExists(file("vm")));
    }

    @Test
    void theDirectoryIsItsOwnersAlone() throws IOException {
        SessionLock.take("vm", options, HERE).close();

        assertEquals(
                "rwx------",
                PosixFilePermissions.toString(Files.getPosixFilePermissions(temporary.resolve("luo/mounted"))));
    }

    @Test
    void aRuntimeDirectoryThatCannotBeMadeSaysWhy() throws IOException {
        Path file = Files.createFile(temporary.resolve("file"));

        ErrnoException e = assertThrows(ErrnoException.class, () -> RuntimeDirectory.make(file.resolve("below")));

        assertEquals(Errno.ENOTDIR, e.errno());
        assertTrue(e.getMessage().contains(file.toString()), e.getMessage());
    }
}
