package org.kexecfs.posix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Exchanger;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import jnr.constants.platform.linux.Errno;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Calls by threads that have no descriptors of ours. */
@Timeout(value = 30, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class ApartTest {
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    @TempDir
    private Path work;

    @Test
    void itsThreadsHaveNothingThatWeHaveOpen() throws Exception {
        try (Fd before = Fd.memfd("before")) {
            Apart.stat("/", PATIENCE);
            try (Fd after = Fd.memfd("after")) {
                assertTrue(files(ofProcess()).stream().anyMatch(file -> file.startsWith("/memfd:before")));
                List<Path> threads = threads();
                assertFalse(threads.isEmpty());
                for (Path thread : threads) {
                    List<String> files = files(thread);
                    files.removeAll(ofJvm());
                    assertEquals(List.of("anon_inode:[pidfd]"), files, before + ", " + after);
                }
            }
        }
    }

    private static List<String> ofJvm() throws IOException {
        List<String> files = new ArrayList<>();
        for (int number : Exec.ofJvm()) {
            files.add(Files.readSymbolicLink(Path.of("/proc/self/fd/" + number)).toString());
        }
        return files;
    }

    private static Path ofProcess() {
        return Path.of("/proc/self");
    }

    private static List<Path> threads() throws IOException {
        try (Stream<Path> all = Files.list(Path.of("/proc/self/task"))) {
            return all.filter(ApartTest::isApart).toList();
        }
    }

    private static boolean isApart(Path thread) {
        try {
            return Files.readString(thread.resolve("comm")).equals("apart\n");
        } catch (IOException e) {
            return false;
        }
    }

    private static List<String> files(Path process) throws IOException {
        try (Stream<Path> all = Files.list(process.resolve("fd"))) {
            return all.filter(Files::isSymbolicLink)
                    .map(link -> {
                        try {
                            return Files.readSymbolicLink(link).toString();
                        } catch (IOException e) {
                            return "closed by now";
                        }
                    })
                    .collect(Collectors.toCollection(ArrayList::new));
        }
    }

    @Test
    void itsThreadsLoadClassesThatNobodyHasNeededBefore() {
        // What the JVM tells of a class that it cannot read; without them there it ends.
        assertThrows(LinkageError.class, () -> {
            throw new ClassFormatError();
        });
        assertThrows(LinkageError.class, () -> {
            throw new ClassCircularityError();
        });
        assertEquals(0, Apart.made(() -> new Exchanger<>().hashCode() & 0, "a class of the JDK"));
    }

    @Test
    void whatACallThrowsIsThrown() {
        assertThrows(
                CompletionException.class,
                () -> Apart.made(
                        () -> {
                            throw new IllegalStateException();
                        },
                        "nothing"));
    }

    @Test
    void aSocketOfOursIsBound() {
        String path = work.resolve("socket").toString();
        try (Fd listener = Sockets.listenApart(path, 1);
                Fd client = Sockets.connect(path);
                Fd connection = Sockets.accept(listener).orElseThrow()) {
            assertTrue(client.number() != connection.number());
        }
        assertFails(Errno.EADDRINUSE, () -> Sockets.listenApart(path, 1).close());
    }

    @Test
    void whatIsOpenedIsThatFile() throws Exception {
        Path file = Files.createFile(work.resolve("file"));
        try (Fd opened = Apart.open(file.toString())) {
            assertEquals(FileStatus.of(file.toString()).id(), opened.id());
        }
    }

    @Test
    void failuresAreThoseOfTheCall() {
        String nothing = work.resolve("nothing").toString();
        assertFails(Errno.ENOENT, () -> Apart.stat(nothing, PATIENCE));
        assertFails(Errno.ENOENT, () -> Apart.open(nothing).close());
        assertFails(
                Errno.ENOENT, () -> Sockets.listenApart(nothing + "/socket", 1).close());
    }

    private static void assertFails(Errno errno, Runnable call) {
        assertEquals(errno, assertThrows(ErrnoException.class, call::run).errno());
    }
}
