package org.kexecfs.fuse;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.kexecfs.fuse.CProgram.DO_IOCTL;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import jnr.constants.platform.linux.Errno;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.FileStatus;
import org.kexecfs.posix.Libc;
import org.kexecfs.posix.Messages;

/** Mounts that are nowhere: what works in them, who sees them, and when they end. */
class PrivateMountTest {
    private static final Duration SOON = Duration.ofSeconds(5);
    private static final Duration A_MOMENT = Duration.ofMillis(300);

    private Mounted directories;
    private PrivateMount mount;

    @BeforeEach
    void mount() {
        directories = new Mounted();
        mount = mounted("");
    }

    @AfterEach
    void end() {
        if (mount != null) {
            mount.close();
        }
        directories.close(); // It also says what of the session is left.
    }

    private PrivateMount mounted(String options) {
        return PrivateMount.mount(Mounted.SESSION, directories.options(options));
    }

    private static Path path(Fd root, String name) {
        return Path.of("/proc/" + ProcessHandle.current().pid() + "/fd/" + root.number() + "/" + name);
    }

    private Path path(String name) {
        return path(mount.root(), name);
    }

    private Fd open(String name, int flags) {
        return directories.keep(Fd.open(path(name).toString(), flags, 0640));
    }

    private String read(Path path) {
        try (Fd file = Fd.open(path.toString(), Fd.O_RDONLY, 0)) {
            return Mounted.read(file);
        }
    }

    private String read(String name) {
        return read(path(name));
    }

    private void write(String name, String text) {
        try (Fd file = Fd.open(path(name).toString(), Fd.O_WRONLY | Fd.O_CREAT | Fd.O_TRUNC, 0640)) {
            file.pwrite(Fd.utf8(text), 0);
        }
    }

    private boolean endsWithin(Duration patience) throws InterruptedException {
        Thread waiting = new Thread(() -> {
            try {
                mount.awaitEnd();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
        waiting.setDaemon(true);
        waiting.start();
        boolean ended = waiting.join(patience);
        waiting.interrupt();
        return ended;
    }

    private void assertLastsUntilClosed(Fd last) throws InterruptedException {
        assertFalse(endsWithin(A_MOMENT), "it has ended too soon");
        last.close();
        assertTrue(endsWithin(SOON), "it does not end");
    }

    // What works

    @Test
    void itIsReachedByItsDescriptor() throws IOException {
        write("a", "1");
        Files.createDirectory(path("d"));
        write("d/b", "2");

        assertEquals("1", read("a"));
        assertEquals("2", read("d/b"));
        assertEquals("normal\n", read("kexecfs.state"));
        assertTrue(read("kexecfs.info").contains("entries 3\n"));
        try (Fd file = Fd.own(
                MoreLibc.check(Libc.C.openat(mount.root().number(), "a", Fd.O_RDWR | Fd.O_CLOEXEC, 0), "openat"))) {
            assertEquals("1", Mounted.read(file));
        }
    }

    @Test
    void openFilesAreTakenIn() {
        Fd memfd = directories.memfd("contents");
        MoreLibc.hardLink(path("kexecfs.fd/self/" + memfd.number()), path("linked"));
        write("kexecfs.preserve", memfd.number() + " also");
        Shell.bash(CProgram.WITH_MEMFD + " child rw ln $1/kexecfs.fd/self/3 $1/inherited", path("."))
                .succeeded();

        memfd.pwrite(Fd.utf8("CON"), 0);

        assertEquals("CONtents", read("linked"));
        assertEquals("CONtents", read("also"));
        assertEquals("child", read("inherited"));
    }

    @Test
    void mappingsAreTheMemory_andKeepIt() throws Exception {
        write("a", "before");
        try (Arena mappings = Arena.ofShared()) {
            MemorySegment mapping;
            try (FileChannel channel = FileChannel.open(path("a"), StandardOpenOption.READ, StandardOpenOption.WRITE)) {
                mapping = channel.map(FileChannel.MapMode.READ_WRITE, 0, 6, mappings);
            }
            mapping.set(ValueLayout.JAVA_BYTE, 0, (byte) 'B');
            assertEquals("Before", read("a"));
            mount.root().close();
            assertFalse(endsWithin(A_MOMENT));
        }
        assertTrue(endsWithin(SOON));
    }

    @Test
    void ioctlsOnTheRootDriveIt() {
        write("a", "1");

        Shell.bash(DO_IOCTL + " prepare $1", path(".")).succeeded();
        assertEquals("prepared\n", read("kexecfs.state"));
        Shell.bash(DO_IOCTL + " cancel $1", path("kexecfs.state")).succeeded();

        assertEquals("normal\n", read("kexecfs.state"));
    }

    @Test
    void aReadOnlyOneChangesNothing() {
        mount.close();
        mount = mounted("ro");

        assertEquals("EROFS", Calls.said(Calls.C.mkdir(path("d").toString(), 0755)));
        Shell.bash(DO_IOCTL + " prepare $1", path(".")).failed("Read-only file system");
        assertEquals("normal\n", read("kexecfs.state"));
    }

    // A bound socket would keep the mount, and the session would never end.
    @Test
    void itHasNoSocket() throws IOException {
        List<String> names = new ArrayList<>();
        try (DirectoryStream<Path> all = Files.newDirectoryStream(path("."))) {
            all.forEach(path -> names.add(path.getFileName().toString()));
        }
        assertTrue(names.contains("kexecfs.state"), names.toString());
        assertFalse(names.contains("kexecfs.sock"), names.toString());
        assertEquals(
                "EPERM", Calls.said(Calls.C.mknod(path("kexecfs.sock").toString(), FileStatus.S_IFSOCK | 0666, 0)));
    }

    @Test
    void whatIsPreparedComesBackThroughAnEmulatedKexec_privatelyOrNot() throws Exception {
        write("a", "kept");
        write("kexecfs.prepare", "1");
        assertEquals("prepared\n", read("kexecfs.state"));

        directories.luo().kexec();
        mount.close();
        mount = mounted("");
        assertEquals("updated\n", read("kexecfs.state"));
        assertEquals("kept", read("a"));
        write("kexecfs.finish", "1");
        write("kexecfs.prepare", "1");

        directories.luo().kexec();
        mount.close();
        directories.mount("");
        assertEquals("updated", directories.state());
        assertEquals("kept", directories.read("a"));
    }

    @Test
    void whatIsNotPreparedDoesNotComeBack() {
        write("a", "lost");
        directories.luo().kexec();
        mount.close();

        mount = mounted("");

        assertEquals("normal\n", read("kexecfs.state"));
        assertThrows(NoSuchFileException.class, () -> Files.readString(path("a")));
    }

    // Who sees it

    @Test
    void noMountTableOfAnyProcessShowsIt() throws IOException {
        write("a", "1");
        long device = mount.root().status().id().device();
        String number = " " + (device >>> 32) + ":" + (device & 0xffffffffL) + " ";
        int tables = 0;
        try (DirectoryStream<Path> processes = Files.newDirectoryStream(Path.of("/proc"), "[0-9]*")) {
            for (Path process : processes) {
                String table = tableOf(process);
                assertFalse(table.contains(number), process + " sees it: " + table);
                tables += table.isEmpty() ? 0 : 1;
            }
        }
        assertTrue(tables > 1, "no table could be read");
    }

    private static String tableOf(Path process) {
        try {
            return Files.readString(process.resolve("mountinfo"), java.nio.charset.StandardCharsets.ISO_8859_1);
        } catch (IOException e) {
            return ""; // It has ended, or is the kernel's.
        }
    }

    // When it ends

    @Test
    void itEndsWithItsRoot() throws InterruptedException {
        assertLastsUntilClosed(mount.root());
    }

    @Test
    void manyThatEndLeaveNeitherDescriptorsNorThreads() throws InterruptedException {
        assertLastsUntilClosed(mount.root()); // The first brings what all share.
        long descriptors = Path.of("/proc/self/fd").toFile().list().length;
        long threads = Path.of("/proc/self/task").toFile().list().length;
        for (int i = 0; i < 20; i++) {
            mount = mounted("");
            write("a", "1");
            mount.root().close();
            assertTrue(endsWithin(SOON));
        }
        assertEquals(descriptors, Path.of("/proc/self/fd").toFile().list().length);
        assertTrue(Path.of("/proc/self/task").toFile().list().length < threads + 10, "a thread is left by each");
    }

    @Test
    void theSessionEndsThoughNobodyWaitsForIt() {
        mount.root().close();

        Awaitility.await()
                .atMost(SOON)
                .ignoreExceptionsMatching(e -> e instanceof ErrnoException busy && busy.is(Errno.EBUSY))
                .until(() -> directories.mount("") != null);
    }

    @Test
    void itEndsWithAnOpenFile() throws InterruptedException {
        write("a", "1");
        Fd open = open("a", Fd.O_RDWR);
        mount.root().close();

        open.pwrite(Fd.utf8("2"), 0);

        assertEquals("2", Mounted.read(open));
        assertLastsUntilClosed(open);
    }

    @Test
    void itEndsWithAnOpenDirectory_throughWhichAllOfItIsReached() throws InterruptedException {
        Fd directory = directories.keep(Fd.openDirectory(path(".").toString()));
        mount.root().close();

        assertEquals("normal\n", read(path(directory, "kexecfs.state")));
        assertLastsUntilClosed(directory);
    }

    @Test
    void itEndsWithAProcessThatWorksInIt() throws Exception {
        Process process = new ProcessBuilder(
                        "sh",
                        "-c",
                        "cd $0 && echo in && read wait && cat kexecfs.state",
                        path(".").toString())
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        assertEquals("in", process.inputReader().readLine());
        mount.root().close();

        assertFalse(endsWithin(A_MOMENT));
        process.outputWriter().write("\n");
        process.outputWriter().close();
        assertEquals("normal", process.inputReader().readLine());
        assertTrue(endsWithin(SOON));
    }

    @Test
    void itIsHandedOnOverASocket() throws InterruptedException {
        write("a", "1");
        int[] ends = new int[2];
        MoreLibc.check(MoreLibc.C.socketpair(1, 5 | Fd.O_CLOEXEC, 0, ends), "socketpair");
        Fd there;
        try (Fd from = Fd.own(ends[0]);
                Fd to = Fd.own(ends[1])) {
            Messages messages = new Messages(10);
            messages.send(from, Fd.utf8("mount"), Optional.of(mount.root()));
            mount.root().close();
            assertFalse(endsWithin(A_MOMENT), "what is under way counts");
            there = directories.keep(messages.receive(to).orElseThrow().files().getFirst());
        }

        assertEquals("1", read(path(there, "a")));
        assertLastsUntilClosed(there);
    }

    @Test
    void itEndsWhileItIsPrepared_andLeavesNothing() throws InterruptedException {
        write("a", "1");
        write("kexecfs.prepare", "1");
        assertLastsUntilClosed(mount.root());
    }

    // One live mount a session

    @Test
    void aSessionHasOneMount_privateOrNot() {
        assertTrue(Fails.with(Errno.EBUSY, () -> mounted(""))
                .contains("mounted already, privately by process "
                        + ProcessHandle.current().pid()));
        Fails.with(Errno.EBUSY, () -> directories.mount(""));
        assertEquals("normal\n", read("kexecfs.state"));

        mount.close();
        directories.mount("");
        assertTrue(Fails.with(Errno.EBUSY, () -> mounted("")).contains("at " + directories.directory()));
    }

    @Test
    void theOptionIsForNoDirectory() {
        mount.close();
        Fails.with(Errno.EINVAL, () -> directories.mount("private"));
    }
}
