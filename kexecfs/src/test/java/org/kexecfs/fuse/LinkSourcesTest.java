package org.kexecfs.fuse;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.kexecfs.fuse.Mounted.read;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import jnr.constants.platform.linux.Errno;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.FileStatus;

/** Open files linked into a mount: whose may be taken by whom, and of which types. */
class LinkSourcesTest {
    /** Opens this process's memfd anew as fd 3, and goes on as nobody, who could not. $1 is the memfd's path. */
    private static final String AS_NOBODY =
            "exec 3<>$1; shift; exec setpriv --reuid=65534 --regid=65534 --clear-groups ";

    private Mounted mounted;
    private Fd memfd;
    private String memfdPath;

    @BeforeEach
    void mount() {
        mounted = Mounted.with("mode=1777");
        memfd = mounted.memfd("contents");
        memfdPath = "/proc/" + ProcessHandle.current().pid() + "/fd/" + memfd.number();
    }

    @AfterEach
    void unmount() {
        mounted.close();
    }

    private void assertEmpty() {
        assertTrue(mounted.read("kexecfs.info").contains("entries 0\n"), mounted.read("kexecfs.files"));
        assertEquals("normal", mounted.state());
        assertEquals("", mounted.read("kexecfs.error"));
    }

    private void assertRefused(Errno errno, Fd file) {
        Fails.with(errno, () -> MoreLibc.hardLink(mounted.source(file), mounted.path("new")));
        assertEmpty();
    }

    // Whose

    @Test
    void aProcessLinksItsOwnFile_bySelfAndByNumber() {
        long pid = ProcessHandle.current().pid();
        MoreLibc.hardLink(mounted.source(memfd), mounted.path("ram0"));
        MoreLibc.hardLink(mounted.path("kexecfs.fd/" + pid + "/" + memfd.number()), mounted.path("ram1"));

        assertEquals("contents", mounted.read("ram0"));
        FileStatus status = FileStatus.of(mounted.path("ram1").toString());
        assertEquals(2, status.links()); // The same open file: a second name of one entry.
        assertEquals(8, status.size());
        assertTrue(mounted.read("kexecfs.info").contains("entries 1\n"));
    }

    @Test
    void aChildLinksWhatItInherited_asTheReadmeSays() {
        assertEquals(
                "contents",
                Shell.bash(
                                "exec 3<>$1; cd $2; ln kexecfs.fd/self/3 ram0; ln kexecfs.fd/$$/3 ram1; cat ram0; rm ram0 ram1",
                                memfdPath,
                                mounted.directory())
                        .succeeded());
    }

    @Test
    void anotherProcessOfTheSameUser() throws IOException {
        Process holder = new ProcessBuilder("bash", "-c", "exec 3<>" + memfdPath + "; echo; read")
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        try {
            holder.getInputStream().read();

            mounted.sh("ln kexecfs.fd/$1/3 ram0", holder.pid()).succeeded();

            assertEquals("contents", mounted.read("ram0"));
        } finally {
            holder.destroyForcibly();
        }
    }

    @Test
    void whoDoesNotOwnItDoesNotReachIt() throws IOException {
        long pid = ProcessHandle.current().pid();

        mounted.shAsNobody("ln kexecfs.fd/$1/$2 stolen", pid, memfd.number()).failed("Operation not permitted");
        mounted.shAsNobody("stat kexecfs.fd/$1/$2", pid, memfd.number()).failed("Operation not permitted");
        mounted.shAsNobody("ls kexecfs.fd/$1/", pid).failed("Operation not permitted");
        mounted.shAsNobody("ls kexecfs.fd/1/").failed("Operation not permitted");
        assertEmpty();
    }

    @Test
    void nobodyLinksItsOwn_andTheEntryIsNobodys() {
        Shell.bash(
                        AS_NOBODY + "bash -c 'cd $0; ln kexecfs.fd/self/3 mine; echo more > mine' $1",
                        memfdPath,
                        mounted.directory())
                .succeeded();

        FileStatus status = FileStatus.of(mounted.path("mine").toString());
        assertEquals(65534, status.uid());
        assertEquals(65534, status.gid());
        assertEquals(0600, status.mode() & 07777);
        assertEquals("more\n", read(memfd));
    }

    @Test
    void aProcessOfTheSameUserThatIsNotDumpableIsOutOfReach() throws IOException, InterruptedException {
        String prctl = System.getProperty("os.arch").equals("aarch64") ? "167" : "157"; // PR_SET_DUMPABLE is 4.
        String perl = "$| = 1; syscall(" + prctl + ", 4, 0) == 0 or die; print 1; sleep 60";
        Process process = new ProcessBuilder("bash", "-c", AS_NOBODY + "perl -e '" + perl + "'", "bash", memfdPath)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        try {
            assertEquals('1', process.getInputStream().read());
            assertOutOfReachOfItsUser(process);
        } finally {
            process.destroyForcibly().waitFor();
        }
    }

    @Test
    void aSetUidProcessIsOutOfReachOfWhoStartedIt() throws IOException, InterruptedException {
        Path sleep = mounted.base().resolve("sleep");
        Files.copy(Path.of("/bin/sleep").toRealPath(), sleep);
        Shell.bash("chmod 4755 $1", sleep).succeeded();
        Process process = new ProcessBuilder("bash", "-c", AS_NOBODY + sleep + " 60", "bash", memfdPath).start();
        try {
            org.awaitility.Awaitility.await().until(() -> process(process).equals(sleep.toString()));
            assertOutOfReachOfItsUser(process);
        } finally {
            process.destroyForcibly().waitFor();
        }
    }

    private void assertOutOfReachOfItsUser(Process process) {
        mounted.shAsNobody("ln kexecfs.fd/$1/3 stolen", process.pid()).failed("Operation not permitted");
        mounted.shAsNobody("ls kexecfs.fd/$1/", process.pid()).failed("Operation not permitted");
        assertEmpty();
        mounted.sh("ln kexecfs.fd/$1/3 taken", process.pid()).succeeded(); // Root may.
    }

    @Test
    void rootOfAnotherUserNamespaceDoesNotReachOutside() throws IOException, InterruptedException {
        Process outside = new ProcessBuilder("bash", "-c", AS_NOBODY + "sleep 60", "bash", memfdPath).start();
        try {
            org.awaitility.Awaitility.await().until(() -> process(outside).endsWith("sleep"));
            mounted.shAsNobody("ln kexecfs.fd/$1/3 same-user; rm same-user", outside.pid())
                    .succeeded();

            Shell inside = mounted.shAsNobody(
                    "unshare --user --map-root-user bash -c 'id -u; ln kexecfs.fd/$0/3 stolen' $1", outside.pid());

            assertTrue(inside.output().startsWith("0\n"), inside.output());
            inside.failed("Operation not permitted");
            assertEmpty();
        } finally {
            outside.destroyForcibly().waitFor();
        }
    }

    private static String process(Process process) {
        return process.info().command().orElse("");
    }

    @Test
    void aPidNamespaceCountsAsItsProcessesDo() {
        assertEquals(
                "contents 1 reached its own",
                Shell.bash(
                                """
                        exec 3<>$1
                        cd $2
                        exec unshare --pid --fork --mount-proc bash -c '
                            ln kexecfs.fd/$$/3 ram0 && cat ram0 && echo -n " $$ " && rm ram0
                            ln kexecfs.fd/self/3 ram0 && rm ram0 && echo -n "reached "
                            ln kexecfs.fd/$0/$1 outside 2> /dev/null || echo "its own"
                            true' $3 $4
                        """,
                                memfdPath,
                                mounted.directory(),
                                ProcessHandle.current().pid(),
                                memfd.number())
                        .succeeded());
        assertEmpty();
    }

    // What is shown

    @Test
    void aSourceShowsTheFilesSize_theProcesssOwner_andMode600() throws IOException {
        FileStatus status = FileStatus.of(mounted.source(memfd).toString());

        assertTrue(status.isRegular());
        assertEquals(0600, status.mode() & 07777);
        assertEquals(List.of(8L, 0L, 0L), List.of(status.size(), (long) status.uid(), (long) status.gid()));
        assertEquals(
                Long.toString(ProcessHandle.current().pid()),
                Files.readSymbolicLink(mounted.path("kexecfs.fd/self")).toString());
    }

    @Test
    void aTreeWalkDoesNotWanderIntoProcesses() {
        assertEquals(
                "kexecfs.fd kexecfs.fd/self",
                mounted.sh("find kexecfs.fd | sort | xargs").succeeded());
        assertTrue(mounted.sh("ls kexecfs.fd/$$/ | xargs").succeeded().startsWith("0 1"));
    }

    @Test
    void aSourceIsNotOpened_norChanged() {
        String source = mounted.path("kexecfs.fd/" + ProcessHandle.current().pid() + "/" + memfd.number())
                .toString();
        Fails.with(Errno.EPERM, () -> Fd.open(source, Fd.O_RDONLY, 0));
        Fails.with(Errno.EPERM, () -> MoreLibc.check(MoreLibc.C.unlink(source), "unlink"));
        mounted.sh("chmod 666 $1; chown 1 $1", source).failed("Operation not permitted");
        assertEquals("contents", read(memfd));
    }

    // What is not there

    @Test
    void aProcessOrDescriptorThatIsNotThere() {
        Fd closed = Fd.memfd("closed");
        closed.close();
        for (String source : List.of(
                "kexecfs.fd/999999999/3",
                "kexecfs.fd/0/0",
                "kexecfs.fd/self/99999",
                "kexecfs.fd/self/-1",
                "kexecfs.fd/self/03",
                "kexecfs.fd/self/99999999999999999999",
                "kexecfs.fd/nonsense/3")) {
            Fails.with(Errno.ENOENT, () -> MoreLibc.hardLink(mounted.path(source), mounted.path("new")));
        }
        assertEmpty();
    }

    @Test
    void aProcessThatHasEnded() throws IOException, InterruptedException {
        Process ended = new ProcessBuilder("true").start();
        ended.waitFor();

        Fails.with(
                Errno.ENOENT,
                () -> MoreLibc.hardLink(mounted.path("kexecfs.fd/" + ended.pid() + "/0"), mounted.path("new")));
        assertFalse(Files.exists(mounted.path("kexecfs.fd/" + ended.pid())));
    }

    // What LUO cannot preserve

    @Test
    void aPipeIsRefused() {
        int[] ends = new int[2];
        MoreLibc.check(MoreLibc.C.pipe2(ends, Fd.O_CLOEXEC), "pipe2");
        assertRefused(Errno.EOPNOTSUPP, mounted.keep(Fd.own(ends[0])));
        assertRefused(Errno.EOPNOTSUPP, mounted.keep(Fd.own(ends[1])));
    }

    @Test
    void aSocketIsRefused() {
        int[] ends = new int[2];
        MoreLibc.check(MoreLibc.C.socketpair(1, 1 | Fd.O_CLOEXEC, 0, ends), "socketpair");
        assertRefused(Errno.EOPNOTSUPP, mounted.keep(Fd.own(ends[0])));
        Fd.own(ends[1]).close();
    }

    @Test
    void aFileOnDiskIsRefused() throws IOException {
        Path file = Files.writeString(mounted.base().resolve("file"), "on disk");
        assertRefused(Errno.EOPNOTSUPP, mounted.keep(Fd.open(file.toString(), Fd.O_RDWR, 0)));
    }

    @Test
    void aDirectoryIsRefused() {
        assertRefused(Errno.EOPNOTSUPP, mounted.keep(Fd.open(mounted.base().toString(), Fd.O_RDONLY, 0)));
    }

    @Test
    void aTmpfsFileWithANameIsRefused() {
        Fd file = mounted.keep(Fd.open("/dev/shm/kexecfs-test", Fd.O_RDWR | Fd.O_CREAT | Fd.O_EXCL, 0600));
        try {
            assertRefused(Errno.EOPNOTSUPP, file);
        } finally {
            MoreLibc.C.unlink("/dev/shm/kexecfs-test");
        }
        MoreLibc.hardLink(mounted.source(file), mounted.path("now-it-has-none"));
    }

    @Test
    void hugetlbMemoryIsRefused() {
        assertRefused(Errno.EOPNOTSUPP, mounted.keep(Fd.own(MoreLibc.hugetlb())));
    }

    @Test
    void aFileOfAnotherMountIsTheVfssToRefuse() throws IOException {
        Path file = Files.writeString(mounted.base().resolve("file"), "on disk");
        Fails.with(Errno.EXDEV, () -> MoreLibc.hardLink(file, mounted.path("new")));
    }

    @Test
    void aNameThatIsThereIsNotReplaced() {
        mounted.write("ram0", "before");
        Fails.with(Errno.EEXIST, () -> MoreLibc.hardLink(mounted.source(memfd), mounted.path("ram0")));
        assertEquals("before", mounted.read("ram0"));
    }

    @Test
    void whatIsLinkedReadOnlyCannotBeWrittenByAnyone() {
        Fd readOnly = mounted.keep(Fd.open(memfdPath, Fd.O_RDONLY, 0));
        MoreLibc.hardLink(mounted.source(readOnly), mounted.path("ro"));

        assertEquals("contents", mounted.read("ro"));
        Fails.with(Errno.EACCES, () -> Fd.open(mounted.path("ro").toString(), Fd.O_RDWR, 0));
        mounted.sh("truncate -s 0 ro").failed("Permission denied");
        assertEquals("contents", read(memfd));
    }

    @Test
    void failedLinksLeaveNoDescriptorBehind() {
        int before = descriptors();
        for (int i = 0; i < 20; i++) {
            Fails.with(Errno.ENOENT, () -> MoreLibc.hardLink(mounted.path("kexecfs.fd/self/99999"), mounted.path("x")));
            Fails.with(Errno.EEXIST, () -> MoreLibc.hardLink(mounted.source(memfd), mounted.path("kexecfs.state")));
        }
        assertTrue(descriptors() - before < 10, "descriptors: " + before + ", then " + descriptors());
    }

    private static int descriptors() {
        return Path.of("/proc/self/fd").toFile().list().length;
    }
}
