package org.kexecfs.posix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import jnr.constants.platform.linux.Errno;
import org.junit.jupiter.api.Test;

/** System calls as objects, and their failures in words. */
class PosixTest {
    private static ErrnoException fails(Errno errno, org.junit.jupiter.api.function.Executable call) {
        ErrnoException e = assertThrows(ErrnoException.class, call);
        assertEquals(errno, e.errno(), e.getMessage());
        return e;
    }

    // ErrnoException

    @Test
    void aFailureNamesTheCallTheArgumentAndTheErrno() {
        ErrnoException e = fails(Errno.ENOENT, () -> Fd.open("/no/such/file", Fd.O_RDONLY, 0));

        assertEquals("open(/no/such/file): ENOENT (No such file or directory)", e.getMessage());
        assertTrue(e.is(Errno.EIO, Errno.ENOENT));
        assertFalse(e.is(Errno.EIO));
    }

    @Test
    void aFailureToldAgainKeepsItsErrno() {
        ErrnoException cause = new ErrnoException(Errno.EPERM, "cause");
        ErrnoException e = new ErrnoException(cause, "context");

        assertEquals("context: " + cause.getMessage(), e.getMessage());
        assertEquals(Errno.EPERM, e.errno());
        assertEquals(cause, e.getCause());
    }

    @Test
    void numbersHaveTheNamesThatTheContractUses() {
        assertEquals(Errno.EAGAIN, ErrnoException.errno(11));
        assertEquals(Errno.EDEADLK, ErrnoException.errno(35));
        assertEquals(Errno.EOPNOTSUPP, ErrnoException.errno(95));
        assertEquals(Errno.EIO, ErrnoException.errno(12345));
    }

    // Fd

    @Test
    void aDescriptorIsClosedOnce_andNotUsedAfterwards() {
        Fd first = Fd.memfd("first");
        int number = first.number();
        first.close();
        try (Fd second = Fd.memfd("second")) {
            assertEquals(number, second.number(), "the number is in use again");
            first.close();

            assertEquals(0, second.status().size());
            fails(Errno.EBADF, first::number);
            fails(Errno.EBADF, first::dup);
            fails(Errno.EBADF, () -> first.pwrite(new byte[1], 0));
            assertEquals("fd " + number + " (closed)", first.toString());
        }
    }

    @Test
    void aDuplicateIsTheSameOpenFile() {
        try (Fd file = Fd.memfd("file")) {
            file.pwrite(Fd.utf8("0123456789"), 0);
            try (Fd duplicate = file.dup()) {
                file.position(4);

                assertNotEquals(file.number(), duplicate.number());
                assertEquals(4, duplicate.position());
                assertEquals(file.status().id(), duplicate.status().id());
            }
            assertEquals(10, file.status().size());
        }
    }

    @Test
    void ofOneFileDifferentMemfdsAreDifferentFiles() {
        try (Fd one = Fd.memfd("same");
                Fd two = Fd.memfd("same")) {
            assertNotEquals(one.status().id(), two.status().id());
        }
    }

    @Test
    void descriptorsAreCloseOnExec() throws IOException {
        try (Fd file = Fd.memfd("file")) {
            String flags = Files.readAllLines(Path.of("/proc/self/fdinfo/" + file.number())).stream()
                    .filter(line -> line.startsWith("flags:"))
                    .findFirst()
                    .orElseThrow();
            assertTrue((Integer.parseInt(flags.substring(6).strip(), 8) & Fd.O_CLOEXEC) != 0, flags);
        }
    }

    @Test
    void readingStopsAtTheEnd_andWritingGoesOnPastIt() {
        try (Fd file = Fd.memfd("file")) {
            file.pwrite(Fd.utf8("abc"), 2);
            byte[] bytes = new byte[10];

            assertEquals(5, file.pread(bytes, 0));
            assertEquals(0, file.pread(bytes, 5));
            assertEquals("\0\0abc", new String(bytes, 0, 5, java.nio.charset.StandardCharsets.US_ASCII));
        }
    }

    @Test
    void timesAreToTheNanosecond_andNullLeavesOne() {
        try (Fd file = Fd.memfd("file")) {
            file.setTimes(new Time(-5, 999_999_999), new Time(1L << 33, 1));
            file.setTimes(null, new Time(7, 8));

            assertEquals(new Time(-5, 999_999_999), file.status().accessed());
            assertEquals(new Time(7, 8), file.status().modified());
        }
    }

    @Test
    void aLockIsOneOpenFiles() throws IOException {
        Path path = Files.createTempFile("kexecfs-test", "");
        Fd one = Fd.open(path.toString(), Fd.O_RDWR, 0);
        try (Fd two = Fd.open(path.toString(), Fd.O_RDWR, 0)) {
            assertTrue(one.tryLock());
            assertTrue(one.tryLock());
            assertFalse(two.tryLock());
            one.close();
            assertTrue(two.tryLock());
        } finally {
            one.close();
            Files.delete(path);
        }
    }

    // Processes and namespaces

    @Test
    void aProcessTellsWhoItIs() {
        int pid = (int) ProcessHandle.current().pid();
        ProcessStatus status = ProcessStatus.read(pid);

        assertEquals(pid, status.tgid());
        assertEquals(pid, status.namespacePids().getFirst());
        assertEquals(Libc.C.geteuid(), status.uids().get(1));
        assertEquals(4, status.gids().size());
        fails(Errno.ENOENT, () -> ProcessStatus.read(999_999_999));
    }

    @Test
    void aProcessMayBeInMoreGroupsThanFitIntoAPage_andHaveAnyName() throws IOException {
        String groups =
                IntStream.range(100_000, 103_000).mapToObj(Integer::toString).collect(Collectors.joining(","));
        Process process = new ProcessBuilder(
                        "setpriv",
                        "--groups=" + groups,
                        "sh",
                        "-c",
                        "printf '\\nTgid:\\t1\\n' >/proc/$$/comm; echo; read x")
                .start();
        try {
            process.getInputStream().read();
            ProcessStatus status = ProcessStatus.read((int) process.pid());

            assertEquals(3000, status.groups().size());
            assertEquals(process.pid(), status.tgid());
            assertEquals((int) process.pid(), status.namespacePids().getFirst());
        } finally {
            process.destroyForcibly();
        }
    }

    @Test
    void aNamespaceIsWithinItself_andWithinItsParents() throws IOException {
        int self = (int) ProcessHandle.current().pid();
        Process inside = new ProcessBuilder("unshare", "--user", "--map-root-user", "sh", "-c", "echo; read x").start();
        try {
            inside.getInputStream().read();
            Namespace ours = Namespace.user(self);
            Namespace theirs = Namespace.user((int) inside.pid());

            assertTrue(ours.isWithin(ours));
            assertTrue(theirs.isWithin(ours));
            assertFalse(ours.isWithin(theirs));
            assertEquals(ours, Namespace.user(self));
        } finally {
            inside.destroyForcibly();
        }
        fails(Errno.ENOENT, () -> Namespace.user(999_999_999));
    }

    @Test
    void aProcessSeesItsOwnNumberInItsNamespace() {
        int self = (int) ProcessHandle.current().pid();
        ProcessStatus status = ProcessStatus.read(self);

        assertEquals(self, Namespace.pidSeenBy(status, status.namespacePids().getLast()));
    }

    @Test
    void aPidfdHoldsAProcess() throws Exception {
        Process process = new ProcessBuilder("sleep", "60").start();
        try (Pidfd pidfd = Pidfd.open((int) process.pid())) {
            assertTrue(pidfd.isAlive());
            fails(Errno.ENOENT, () -> pidfd.getFd(9999));
            process.destroyForcibly().waitFor();
            org.awaitility.Awaitility.await().until(() -> !pidfd.isAlive());
            fails(Errno.ENOENT, () -> pidfd.getFd(0));
        }
        fails(Errno.ENOENT, () -> Pidfd.open(0));
        fails(Errno.ENOENT, () -> Pidfd.open(999_999_999));
    }

    // Filesystems in the making; these need root

    @Test
    void aRefusedMountOptionIsExplainedInTheKernelsWords() {
        try (FsContext context = FsContext.open("tmpfs")) {
            ErrnoException e = fails(Errno.EINVAL, () -> context.set("no_such_option", "1"));

            assertTrue(e.getMessage().contains("no_such_option"), e.getMessage());
            assertTrue(e.getMessage().contains("Unknown parameter"), e.getMessage());
        }
        fails(Errno.ENODEV, () -> FsContext.open("no such filesystem"));
    }

    @Test
    void aTmpfsOfOurOwnHasItsLimits_andIsNowhere() throws IOException {
        String mounts = Files.readString(Path.of("/proc/self/mountinfo"));
        try (Tmpfs tmpfs = Tmpfs.create(8192, 2);
                Fd one = tmpfs.createFile();
                Fd two = tmpfs.createFile()) {
            assertEquals(0, one.status().links());
            fails(Errno.ENOSPC, tmpfs::createFile);
            fails(Errno.ENOSPC, () -> two.fallocate(0, 0, 3 * 4096));
            assertEquals(mounts, Files.readString(Path.of("/proc/self/mountinfo")));
            one.seals();
        }
    }

    @Test
    void aFileOutlivesItsTmpfs() {
        Tmpfs tmpfs = Tmpfs.create(0, 0);
        try (Fd file = tmpfs.createFile()) {
            tmpfs.close();
            file.pwrite(Fd.utf8("still"), 0);

            assertEquals(5, file.status().size());
        }
    }

    // Exec

    @Test
    void whenAProgramCannotBeRun_whatItWouldHaveReplacedIsThereAgain() {
        try (Fd there = Fd.memfd("there");
                Fd given = Fd.memfd("given")) {
            FileId before = there.status().id();

            ErrnoException e =
                    Exec.become(java.util.List.of("no-such-program"), java.util.List.of(), given, there.number());

            assertEquals(Errno.ENOENT, e.errno());
            assertEquals("execve(no-such-program): ENOENT (No such file or directory)", e.getMessage());
            assertEquals(before, there.status().id());
        }
    }

    @Test
    void aDescriptorPastTheLimitIsRefused() {
        try (Fd given = Fd.memfd("given")) {
            fails(
                    Errno.EINVAL,
                    () -> Exec.become(java.util.List.of("true"), java.util.List.of(), given, Integer.MAX_VALUE - 1));
        }
    }

    @Test
    void theOwnArgumentsAreThoseOfTheProcess() {
        assertTrue(Exec.ownArguments().size() > 1);
        assertTrue(Exec.ownEnvironment().stream().anyMatch(variable -> variable.startsWith("PATH=")));
    }
}
