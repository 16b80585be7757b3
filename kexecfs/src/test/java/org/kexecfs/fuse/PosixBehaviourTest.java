package org.kexecfs.fuse;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import jnr.constants.platform.linux.Errno;
import jnr.ffi.Pointer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.FileStatus;

/** What people expect of a Linux filesystem, beyond what {@link FilesTest} has; and what they do not get here. */
class PosixBehaviourTest {
    private static final int POLLPRI = 2;
    private static final int POLLERR = 8;
    private static final int EPOLLET = 1 << 31;
    private static final int EPOLL_CTL_ADD = 1;
    private static final int SEEK_DATA = 3;
    private static final int SEEK_HOLE = 4;
    private static final int O_TMPFILE = 0x410000;
    private static final int IN_MODIFY = 2;
    private static final int IN_CREATE = 0x100;
    private static final int IN_DELETE = 0x200;
    private static final long FOUR_GIB = 1L << 32;

    private Mounted mounted;

    @BeforeEach
    void mount() {
        mounted = Mounted.with("mode=0755,size=64m,nr_inodes=12000");
    }

    @AfterEach
    void unmount() {
        mounted.close();
    }

    private String path(String name) {
        return mounted.path(name).toString();
    }

    private int keep(int fd) {
        assertTrue(fd >= 0, "a descriptor");
        mounted.keep(Fd.own(fd));
        return fd;
    }

    private static FileStatus fstat(Fd file) {
        return FileStatus.of("/proc/self/fd/" + file.number());
    }

    // ---- waiting for a change of the state

    private static int poll(Fd file, int milliseconds) {
        Pointer pollfd = Fd.allocate(8);
        pollfd.putInt(0, file.number());
        pollfd.putShort(4, (short) POLLPRI);
        Calls.C.poll(pollfd, 1, milliseconds);
        return pollfd.getShort(6) & (POLLPRI | POLLERR);
    }

    @Test
    void everyoneWhoPollsTheStateWakes() {
        List<CompletableFuture<Integer>> waiting = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            Fd state = mounted.open("kexecfs.state", Fd.O_RDONLY);
            Mounted.read(state);
            waiting.add(CompletableFuture.supplyAsync(() -> poll(state, 20_000), task -> new Thread(task).start()));
        }

        mounted.write("kexecfs.prepare", "1");

        waiting.forEach(woken ->
                assertEquals(POLLPRI | POLLERR, woken.orTimeout(10, SECONDS).join()));
    }

    @Test
    void epollTellsOfEachChangeOnce_whenItIsEdgeTriggered() {
        Fd state = mounted.open("kexecfs.state", Fd.O_RDONLY);
        Mounted.read(state);
        int epoll = keep(Calls.C.epoll_create1(Fd.O_CLOEXEC));
        Pointer event = Fd.allocate(12);
        event.putInt(0, POLLPRI | EPOLLET);
        assertEquals(0, Calls.C.epoll_ctl(epoll, EPOLL_CTL_ADD, state.number(), event));
        assertEquals(0, Calls.C.epoll_wait(epoll, event, 1, 0));

        for (String command : List.of("prepare", "cancel")) {
            mounted.write("kexecfs." + command, "1");

            assertEquals(1, Calls.C.epoll_wait(epoll, event, 1, 10_000), command);
            assertEquals(POLLPRI | POLLERR, event.getInt(0) & (POLLPRI | POLLERR));
            assertEquals(0, Calls.C.epoll_wait(epoll, event, 1, 0), "it was told");
            Mounted.read(state);
        }
    }

    // ---- bytes

    @Test
    void fallocateGrowsPunchesAndKeepsTheSize_asTmpfsDoes() {
        Fd file = mounted.open("a", Fd.O_RDWR | Fd.O_CREAT);
        file.fallocate(0, 0, 16384);
        assertEquals(16384, fstat(file).size());
        assertEquals(32, fstat(file).blocks());

        file.pwrite(Fd.utf8("x".repeat(16384)), 0);
        file.fallocate(Calls.FALLOC_FL_PUNCH_HOLE | Calls.FALLOC_FL_KEEP_SIZE, 4096, 4096);
        assertEquals(24, fstat(file).blocks());
        assertEquals("x".repeat(4096) + "\0".repeat(4096) + "x".repeat(8192), Mounted.read(file));

        file.fallocate(Calls.FALLOC_FL_KEEP_SIZE, 16384, 4096);
        assertEquals(16384, fstat(file).size());
        Fails.with(Errno.EOPNOTSUPP, () -> file.fallocate(Calls.FALLOC_FL_ZERO_RANGE, 0, 4096));
    }

    @Test
    void aSparseFileTakesWhatIsWritten_andNoMore() {
        Fd file = mounted.open("a", Fd.O_RDWR | Fd.O_CREAT);
        file.truncate(FOUR_GIB / 2);
        file.pwrite(Fd.utf8("data"), 1 << 20);

        assertEquals(FOUR_GIB / 2, fstat(file).size());
        assertEquals("4", mounted.sh("du -k a | cut -f1").succeeded());
    }

    /** libfuse 2 carries no lseek: the kernel answers as for a file without holes. */
    @Test
    void seekHoleFindsNone() {
        Fd file = mounted.open("a", Fd.O_RDWR | Fd.O_CREAT);
        file.truncate(1 << 20);

        assertEquals("0", Calls.said(Calls.C.lseek(file.number(), 0, SEEK_DATA)));
        assertEquals("1048576", Calls.said(Calls.C.lseek(file.number(), 0, SEEK_HOLE)));
        assertEquals("ENXIO", Calls.said(Calls.C.lseek(file.number(), 1 << 20, SEEK_DATA)));
    }

    @Test
    void offsetsBeyondFourGibibytesAreRight() {
        Fd file = mounted.open("a", Fd.O_RDWR | Fd.O_CREAT);
        file.pwrite(Fd.utf8("low"), 3);
        file.pwrite(Fd.utf8("high"), FOUR_GIB + 3);

        byte[] bytes = new byte[7];
        assertEquals(7, file.pread(bytes, FOUR_GIB));
        assertEquals("\0\0\0high", new String(bytes, java.nio.charset.StandardCharsets.US_ASCII));
        assertEquals(7, file.pread(bytes, 0) - 0);
        assertEquals("\0\0\0low\0", new String(bytes, java.nio.charset.StandardCharsets.US_ASCII));
        assertEquals(FOUR_GIB + 7, FileStatus.of(path("a")).size());
        file.truncate(FOUR_GIB + 4);
        assertEquals(1, file.pread(bytes, FOUR_GIB + 3));
        assertEquals("8", mounted.sh("du -k a | cut -f1").succeeded());
    }

    @Test
    void oExclIsForNewFilesOnly() {
        mounted.write("a", "");
        assertEquals(-1, Calls.C.open(path("a"), Fd.O_RDWR | Fd.O_CREAT | Fd.O_EXCL, 0600));
        assertEquals("EEXIST", Calls.errno());
    }

    // ---- names

    @Test
    void aNameMayHoldEveryByteButSlashAndNul() {
        for (int value = 1; value < 256; value++) {
            if (value == '/') {
                continue;
            }
            byte[] name = (path("x") + "?\0").getBytes(java.nio.charset.StandardCharsets.US_ASCII);
            name[name.length - 2] = (byte) value;
            int fd = Calls.C.open(name, Fd.O_RDWR | Fd.O_CREAT | Fd.O_EXCL | Fd.O_CLOEXEC, 0600);
            assertTrue(fd >= 0, "byte " + value);
            Calls.C.close(fd);
        }
        assertEquals(254, mounted.read("kexecfs.files").lines().count() - 1);
        for (int value = 1; value < 256; value++) {
            if (value != '/') {
                byte[] name = (path("x") + "?\0").getBytes(java.nio.charset.StandardCharsets.US_ASCII);
                name[name.length - 2] = (byte) value;
                assertEquals(0, Calls.C.unlink(name), "byte " + value);
            }
        }
    }

    @Test
    void hardLinksAreOneFile() {
        mounted.sh("printf content > a; ln a b").succeeded();
        FileStatus a = FileStatus.of(path("a"));
        assertEquals(2, a.links());
        assertEquals(a.id(), FileStatus.of(path("b")).id());
        mounted.sh("printf new > b; chmod 600 b; rm a").succeeded();
        assertEquals("new", mounted.read("b"));
        assertEquals(1, FileStatus.of(path("b")).links());
        assertEquals(0600, FileStatus.of(path("b")).mode() & 07777);
    }

    @Test
    void aSetGidDirectoryGivesItsGroup_aStickyOneKeepsOthersFilesSafe() {
        mounted.sh("""
                        set -e
                        mkdir g s; chgrp 7 g; chmod 2777 g; chmod 1777 s
                        echo > g/f; mkdir g/d; echo mine > s/roots
                        """).succeeded();
        assertEquals(
                "7 7 2755",
                mounted.sh("stat -c %g g/f; stat -c '%g %a' g/d").succeeded().replace('\n', ' '));
        mounted.shAsNobody("rm -f s/roots").failed("Operation not permitted");
        mounted.shAsNobody("mv s/roots s/mine").failed("Operation not permitted");
        mounted.shAsNobody("echo > s/own && rm s/own").succeeded();
    }

    @Test
    void aDirectoryCountsThoseInIt() {
        mounted.sh("mkdir -p d/1 d/2 d/3; echo > d/f").succeeded();
        assertEquals(5, FileStatus.of(path("d")).links());
        mounted.sh("mv d/1 .; rmdir d/2").succeeded();
        assertEquals(3, FileStatus.of(path("d")).links());
        mounted.sh("rmdir d").failed("Directory not empty");
    }

    @Test
    void tenThousandNamesAreListedOnce_whileOthersComeAndGo() throws IOException {
        for (int i = 0; i < 10_000; i++) {
            Calls.C.close(Calls.C.open(path("stays" + i), Fd.O_RDWR | Fd.O_CREAT | Fd.O_EXCL, 0600));
        }
        AtomicBoolean end = new AtomicBoolean();
        CompletableFuture<Void> others = CompletableFuture.runAsync(() -> {
            for (int i = 0; !end.get(); i = (i + 1) % 100) {
                Calls.C.close(Calls.C.open(path("comes" + i), Fd.O_RDWR | Fd.O_CREAT, 0600));
                Calls.C.unlink(path("comes" + i));
            }
        });
        try {
            for (int look = 0; look < 3; look++) {
                List<String> names;
                try (Stream<Path> listed = Files.list(mounted.directory())) {
                    names = listed.map(name -> name.getFileName().toString()).toList();
                }
                Set<String> different = new HashSet<>(names);
                assertEquals(names.size(), different.size(), "no name twice");
                assertEquals(
                        10_000,
                        different.stream().filter(n -> n.startsWith("stays")).count());
            }
        } finally {
            end.set(true);
            others.join();
        }
    }

    @Test
    void eightThreadsMeetNoOtherErrnoThanTheirRacesExplain() {
        Set<String> expected = Set.of("ENOENT", "EEXIST");
        ConcurrentLinkedQueue<String> unexpected = new ConcurrentLinkedQueue<>();
        List<CompletableFuture<Void>> threads = IntStream.range(0, 8)
                .mapToObj(seed -> CompletableFuture.runAsync(
                        () -> {
                            Random random = new Random(seed);
                            for (int i = 0; i < 400; i++) {
                                String a = path("f" + random.nextInt(5));
                                String b = path("f" + random.nextInt(5));
                                String said = switch (random.nextInt(5)) {
                                    case 0, 1 -> {
                                        int fd = Calls.C.open(a, Fd.O_RDWR | Fd.O_CREAT | Fd.O_CLOEXEC, 0600);
                                        String errno = fd < 0 ? Calls.errno() : "0";
                                        if (fd >= 0) {
                                            Calls.C.close(fd);
                                        }
                                        yield errno;
                                    }
                                    case 2 -> Calls.said(Calls.C.unlink(a));
                                    case 3 -> Calls.said(Calls.C.link(a, b));
                                    default -> Calls.rename(a, b, 0);
                                };
                                if (!said.equals("0") && !expected.contains(said)) {
                                    unexpected.add(said);
                                }
                            }
                        },
                        task -> new Thread(task).start()))
                .toList();
        threads.forEach(thread -> thread.orTimeout(60, SECONDS).join());

        assertEquals(List.of(), List.copyOf(unexpected));
    }

    @Test
    void noDescriptorIsLeftOpen() {
        mounted.sh("echo > warm").succeeded();
        long before = descriptors();
        for (int i = 0; i < 200; i++) {
            try (Fd file = Fd.open(path("f"), Fd.O_RDWR | Fd.O_CREAT, 0600)) {
                file.pwrite(Fd.utf8("x"), 0);
            }
            Calls.C.unlink(path("f"));
            Calls.C.open(path("none"), Fd.O_RDWR, 0);
        }
        // Fewer, if a mount before this one was still closing its own.
        await().atMost(10, SECONDS).until(() -> descriptors() <= before);
    }

    private static long descriptors() {
        return java.util.Objects.requireNonNull(
                        Path.of("/proc/self/fd").toFile().list())
                .length;
    }

    // ---- limits

    @Test
    void roomIsFreeAgainSoon_afterAFileIsRemovedAndClosed() {
        mounted.sh("head -c 60m /dev/zero > a").succeeded();
        mounted.sh("head -c 10m /dev/zero > b").failed("No space left on device");
        mounted.sh("rm a b").succeeded();
        await().atMost(10, SECONDS)
                .untilAsserted(() -> mounted.sh("head -c 60m /dev/zero > a").succeeded());
    }

    // ---- what the filesystem does not do

    private List<String> events(int inotify) {
        Pointer buffer = Fd.allocate(4096);
        long size = Calls.C.read(inotify, buffer, 4096);
        List<String> seen = new ArrayList<>();
        for (int at = 0; at < size; at += 16 + buffer.getInt(at + 12)) {
            int length = buffer.getInt(at + 12);
            seen.add(Integer.toHexString(buffer.getInt(at + 4)) + " " + (length == 0 ? "" : buffer.getString(at + 16)));
        }
        return seen;
    }

    @Test
    void inotifyTellsOfWhatIsDoneThroughTheMount_andNotOfWritesPastIt() {
        Fd memfd = mounted.memfd("memory");
        MoreLibc.hardLink(mounted.source(memfd), mounted.path("ram0"));
        int inotify = keep(Calls.C.inotify_init1(Fd.O_CLOEXEC | Fd.O_NONBLOCK));
        assertTrue(Calls.C.inotify_add_watch(inotify, mounted.directory().toString(), IN_MODIFY | IN_CREATE | IN_DELETE)
                > 0);

        memfd.pwrite(Fd.utf8("M"), 0);
        assertEquals(List.of(), events(inotify));

        mounted.sh("echo > a; rm a").succeeded();
        List<String> seen = events(inotify);
        assertTrue(seen.contains("100 a"), seen.toString());
        assertTrue(seen.contains("200 a"), seen.toString());
    }

    @Test
    void whatIsNotCarriedSaysSo() {
        mounted.write("a", "");
        assertEquals(-1, Calls.C.open(mounted.directory().toString(), O_TMPFILE | Fd.O_RDWR, 0600));
        assertEquals("EOPNOTSUPP", Calls.errno(), "O_TMPFILE");
        assertEquals("EPERM", Calls.said(Calls.C.symlink("a", path("l"))));
        assertEquals("EOPNOTSUPP", Calls.said(Calls.C.mknod(path("p"), 010600, 0)));
        assertEquals("EOPNOTSUPP", Calls.said(Calls.C.mknod(path("c"), 020600, 0x103)));
        assertEquals("EOPNOTSUPP", Calls.setXattr(path("a"), "trusted.a", "1", 0));
        assertEquals("EINVAL", Calls.rename(path("a"), path("b"), 4), "RENAME_WHITEOUT");
    }

    /** libfuse 2 changes attributes by name, and this file has none. */
    @Test
    void anOpenFileWithoutANameKeepsItsMode() {
        Fd file = mounted.open("a", Fd.O_RDWR | Fd.O_CREAT);
        mounted.sh("rm a").succeeded();

        assertEquals("ENOENT", Calls.said(Calls.C.fchmod(file.number(), 0600)));
        file.truncate(3);
        assertEquals(3, fstat(file).size());
    }

    @Test
    void locksAreTheKernels_onePerName() {
        mounted.sh("echo > a; ln a b").succeeded();
        Fd a = mounted.open("a", Fd.O_RDWR);
        Fd again = mounted.open("a", Fd.O_RDWR);
        Fd b = mounted.open("b", Fd.O_RDWR);
        assertTrue(a.tryLock());
        assertEquals(false, again.tryLock());
        assertTrue(b.tryLock(), "another name is another inode to the kernel");
    }
}
