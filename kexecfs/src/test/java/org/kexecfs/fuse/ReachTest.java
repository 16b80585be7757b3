package org.kexecfs.fuse;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.kexecfs.fuse.CProgram.FLIP;
import static org.kexecfs.fuse.CProgram.IN_THREAD;
import static org.kexecfs.fuse.CProgram.WITH_MEMFD;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import jnr.constants.platform.linux.Errno;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.Namespace;
import org.kexecfs.posix.Pidfd;
import org.kexecfs.posix.ProcessStatus;

/** Link sources of processes that change while they are looked at, have several threads, or lie elsewhere. */
class ReachTest {
    private static final String ROOT_WITHOUT_PTRACE = "exec setpriv --bounding-set=-sys_ptrace --inh-caps=-sys_ptrace ";

    private final List<Process> processes = new ArrayList<>();
    private Mounted mounted;

    @BeforeEach
    void mount() {
        mounted = Mounted.with("mode=1777");
    }

    @AfterEach
    void unmount() throws InterruptedException {
        for (Process process : processes) {
            process.descendants().forEach(ProcessHandle::destroyForcibly);
            process.destroyForcibly().waitFor(10, TimeUnit.SECONDS);
        }
        mounted.close();
    }

    private Process start(String... command) throws IOException {
        Process process = new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        processes.add(process);
        return process;
    }

    private void assertNothingWasTaken() {
        assertTrue(mounted.read("kexecfs.info").contains("entries 0\n"), mounted.read("kexecfs.files"));
    }

    // A process that changes

    private static final class Taken {
        private final Deque<Fd> found;
        private final List<Fd> given = new ArrayList<>();

        private Taken(Fd... found) {
            this.found = new ArrayDeque<>(List.of(found));
        }

        private Fd take(Runnable rule) {
            return LinkSources.take(found::pop, rule, given::add);
        }
    }

    private static ErrnoException outOfReach() {
        return new ErrnoException(Errno.EPERM, "out of reach");
    }

    @Test
    void aFileThatIsThereBeforeAndAfterAProcessWasInReachIsTaken() {
        Fd file = mounted.memfd("own");
        Fd again = mounted.keep(file.dup());
        Taken taken = new Taken(file, again);

        assertSame(file, taken.take(() -> {}));
        assertEquals(List.of(again), taken.given);
    }

    @Test
    void aFileOfAProgramThatWasOutOfReachForAMomentIsNotTaken() {
        Fd secret = mounted.memfd("secret");
        Fd own = mounted.memfd("own");
        Taken first = new Taken(secret, own);
        Taken second = new Taken(own, secret);

        Fails.with(Errno.ENOENT, () -> first.take(() -> {}));
        Fails.with(Errno.ENOENT, () -> second.take(() -> {}));

        assertEquals(List.of(own, secret), first.given);
        assertEquals(List.of(secret, own), second.given);
    }

    @Test
    void aFileThatWasOpenedAgainIsNotTheSame() {
        Fd file = mounted.memfd("own");
        Fd opened = mounted.keep(file.reopen(Fd.O_RDWR));

        Fails.with(Errno.ENOENT, () -> new Taken(file, opened).take(() -> {}));
    }

    @Test
    void theRuleIsAskedBetweenTheTakingsAndAfterThem() {
        for (int fails = 1; fails <= 2; fails++) {
            Fd file = mounted.memfd("own");
            Taken taken = new Taken(file, mounted.keep(file.dup()));
            AtomicInteger left = new AtomicInteger(fails);

            Fails.with(
                    Errno.EPERM,
                    () -> taken.take(() -> {
                        if (left.decrementAndGet() == 0) {
                            throw outOfReach();
                        }
                    }));
            assertTrue(taken.given.contains(file));
            assertEquals(fails, taken.given.size());
        }
    }

    @Test
    void aProgramThatIsSetUidEveryOtherMomentNeverLosesAFile() throws Exception {
        Path copy = mounted.base().resolve("flip");
        Shell.bash("cp $1 $2 && chmod 4755 $2", FLIP, copy).succeeded();
        Process flip =
                start("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", FLIP, FLIP, copy.toString());

        Shell tries = mounted.shAsNobody("""
                linked=0 refused=0
                for i in {1..400}; do
                    if ln kexecfs.fd/$1/9 f$i 2> /dev/null; then linked=$((linked + 1)); else refused=$((refused + 1)); fi
                done
                echo $linked $refused
                cat f* < /dev/null | tr -d '\n' | sed 's/own//g'
                rm -f f*
                """, flip.pid());

        assertTrue(flip.isAlive());
        String[] counts = tries.succeeded().split("\\s+");
        assertEquals(2, counts.length, tries.output()); // Nothing but what is its user's own.
        assertTrue(Integer.parseInt(counts[0]) > 0 && Integer.parseInt(counts[1]) > 0, tries.output());
    }

    @Test
    void aNumberThatBecameAnotherProcesssIsNobodys() throws Exception {
        ProcessStatus self = ProcessStatus.read((int) ProcessHandle.current().pid());
        for (int attempt = 0; attempt < 200; attempt++) {
            Process first = start("sleep", "60");
            try (Pidfd pinned = Pidfd.open((int) first.pid())) {
                first.destroyForcibly().waitFor();
                Files.writeString(Path.of("/proc/sys/kernel/ns_last_pid"), Long.toString(first.pid() - 1));
                Process second = start("sleep", "60");
                if (second.pid() == first.pid()) {
                    assertEquals(second.pid(), ProcessStatus.read(pinned.pid()).tgid());
                    Fails.with(Errno.ENOENT, () -> PtraceRule.check(self, pinned));
                    Fails.with(Errno.ENOENT, () -> pinned.getFd(0));
                    return;
                }
                second.destroyForcibly().waitFor();
            }
        }
        throw new AssertionError("no number was used again");
    }

    @Test
    void aNumberIsThatOfTheNamespaceThatItWasAskedIn() throws Exception {
        Process inside = start("unshare", "--pid", "--fork", "--mount-proc", "sh", "-c", "echo; sleep 60; true");
        inside.getInputStream().read();
        ProcessHandle shell = inside.children().findFirst().orElseThrow();
        ProcessStatus observer = ProcessStatus.read((int) shell.pid());
        int other = (int) ProcessHandle.current().pid();

        assertEquals(shell.pid(), Namespace.pidSeenBy(observer, 1));
        assertTrue(Namespace.isSeenAs((int) shell.pid(), observer, 1));
        assertFalse(Namespace.isSeenAs((int) shell.pid(), observer, 2));
        assertFalse(Namespace.isSeenAs(other, observer, 1));
        assertFalse(Namespace.isSeenAs(other, observer, other));
    }

    // Where a process lies, and what it is

    @Test
    void aThreadIsItsProcess_andItsNumberIsNoProcesss() throws Exception {
        Process process = start(
                WITH_MEMFD, "thread's", "rw", IN_THREAD, mounted.directory().toString(), "3");
        String thread = process.inputReader().readLine();

        assertEquals("thread's", mounted.read("by-self"));
        assertEquals("thread's", mounted.read("by-number"));
        mounted.sh("ln kexecfs.fd/$1/3 by-thread", thread).failed("No such file");
        mounted.sh("ln kexecfs.fd/$1/3 by-process", process.pid()).succeeded();
    }

    @Test
    void aProcessInASiblingPidNamespaceHasNoNumber() throws Exception {
        Process sibling = start(
                WITH_MEMFD,
                "sibling's",
                "rw",
                "unshare",
                "--pid",
                "--fork",
                "sh",
                "-c",
                "for i in 1 2 3 4 5 6 7 8; do sh -c :; done; sh -c 'echo $$; exec sleep 60'; true");
        String number = sibling.inputReader().readLine();
        long seen = Awaitility.await()
                .until(
                        () -> sibling.descendants()
                                .filter(p -> p.info().command().orElse("").endsWith("sleep"))
                                .findFirst(),
                        Optional::isPresent)
                .orElseThrow()
                .pid();

        String tries = "! ln kexecfs.fd/$0/3 stolen && ! ln kexecfs.fd/$1/3 stolen && ls kexecfs.fd/self/ > /dev/null";
        Shell there = mounted.sh("unshare --pid --fork bash -c '" + tries + "' $1 $2", number, seen);

        assertTrue(there.succeeded().contains("No such file"), there.output());
        assertFalse(there.output().contains("not permitted"), there.output());
        assertNothingWasTaken();
        mounted.sh("ln kexecfs.fd/$1/3 taken", seen).succeeded(); // As we count.
    }

    @Test
    void aRootProcessThatIsNotDumpableIsOutOfReachOfRootWithoutItsCapability() throws Exception {
        String prctl = System.getProperty("os.arch").equals("aarch64") ? "167" : "157"; // PR_SET_DUMPABLE is 4.
        for (String dumpable : List.of("1", "0")) {
            Process process = start(
                    WITH_MEMFD,
                    "root's",
                    "rw",
                    "bash",
                    "-c",
                    ROOT_WITHOUT_PTRACE + "perl -e '$| = 1; syscall(" + prctl + ", 4, " + dumpable
                            + ") == 0 or die; print 1; sleep 60'");
            assertEquals('1', process.getInputStream().read());
            Shell link = mounted.sh(ROOT_WITHOUT_PTRACE + "ln kexecfs.fd/$1/3 f" + dumpable, process.pid());
            if (dumpable.equals("1")) {
                link.succeeded();
                mounted.sh("rm f1");
            } else {
                link.failed("Operation not permitted");
            }
        }
        assertNothingWasTaken();
    }

    @Test
    void yamaNarrowsTheRule() throws Exception {
        mounted.mount().close();
        String hide = "cd /proc/sys/kernel && id=$(cat random/boot_id) && mount -t tmpfs none . && cd /proc/sys/kernel"
                + " && mkdir yama random && echo $id >random/boot_id && cd / && exec \"$@\"";
        try (Served served = Served.start(
                List.of("unshare", "--mount", "sh", "-c", hide, "sh"),
                Mounted.SESSION,
                mounted.directory(),
                "mode=1777,emulate=" + mounted.emulation())) {
            assertEquals("mounted", served.said());
            String other = " setpriv --reuid=65534 --regid=65534 --clear-groups ";
            Process target = start(WITH_MEMFD, "nobody's", "rw", "sh", "-c", "exec" + other + "sleep 60");
            // Whoever links is the parent only if it takes the place of the shell that started the other.
            String ofChild =
                    WITH_MEMFD + " child rw sleep 2 > /dev/null & until [ -e /proc/$!/fd/3 ]; do sleep 0.05; done;"
                            + " exec ln kexecfs.fd/$!/3 f";
            String ofOther = "rm -f f; ln kexecfs.fd/$1/3 f && rm f";
            record Scope(int scope, boolean other, boolean child, boolean root) {}
            for (Scope s : List.of(
                    new Scope(0, true, true, true),
                    new Scope(1, false, true, true),
                    new Scope(2, false, false, true),
                    new Scope(3, false, false, false))) {
                String enter = "echo " + s.scope() + " | nsenter --mount --target " + served.pid()
                        + " tee /proc/sys/kernel/yama/ptrace_scope > /dev/null; exec nsenter --mount --target "
                        + served.pid();
                String in = " bash -c 'cd $0 && { " + "%s" + "; }' " + mounted.directory() + " " + target.pid();
                assertEquals(s.other(), succeeds(enter + other + in.formatted(ofOther)), s + " of another process");
                assertEquals(s.child(), succeeds(enter + other + in.formatted(ofChild)), s + " of its child");
                assertEquals(s.root(), succeeds(enter + in.formatted(ofOther)), s + " for root");
            }
        }
        mounted.mount(""); // What the killed one left is cleared away.
    }

    private static boolean succeeds(String script) {
        return Shell.bash(script).exit() == 0;
    }

    // Names

    @Test
    void namesThatGoUpOrLookLikeOursLeadNowhereElse() throws IOException {
        long pid = ProcessHandle.current().pid();
        Fd memfd = mounted.memfd("own");
        String number = Integer.toString(memfd.number());
        for (String name : List.of("kexecfs.fdx", "kexecfs.", "kexecfs.fd2", "kexecfs.state.old", "kexecfs.socket")) {
            assertEquals(
                    "EPERM",
                    Calls.said(Calls.C.open(mounted.path(name).toString(), Fd.O_RDWR | Fd.O_CREAT, 0600)),
                    name);
        }
        for (String name :
                List.of("kexecfs.fd/x", "kexecfs.fd/" + pid + "/x", "kexecfs.fd/" + pid + "/" + number + "/x")) {
            assertTrue(
                    List.of("ENOENT", "ENOTDIR", "EPERM")
                            .contains(Calls.said(
                                    Calls.C.open(mounted.path(name).toString(), Fd.O_RDWR | Fd.O_CREAT, 0600))),
                    name);
        }
        // The VFS goes up, and never below what it walked.
        mounted.shAsNobody("ln kexecfs.fd/self/../" + pid + "/" + number + " stolen")
                .failed("Operation not permitted");
        mounted.shAsNobody("ln kexecfs.fd/self/../../kexecfs.fd/" + pid + "/./" + number + " stolen")
                .failed("Operation not permitted");
        assertEquals(
                "dir",
                mounted.sh("mkdir dir; cd dir; cd ../kexecfs.fd/..; cd dir; basename $PWD")
                        .succeeded());
        mounted.sh("rmdir dir");
        assertNothingWasTaken();
    }

    @Test
    void aMountPointThatIsASymbolicLinkIsWhereItLedThen() throws IOException {
        mounted.mount().close();
        Path real = Files.createDirectory(mounted.base().resolve("real"));
        Path other = Files.createDirectory(mounted.base().resolve("other"));
        Path link = Files.createSymbolicLink(mounted.base().resolve("link"), real);
        try (KexecFsMount mount = KexecFsMount.mount("linked", link, mounted.options(""))) {
            Files.delete(link);
            Files.createSymbolicLink(link, other);

            assertEquals(real, mount.directory());
            Shell.bash("mountpoint -q $1 && ! mountpoint -q $2", real, other).succeeded();
        }
        Shell.bash("! mountpoint -q $1", real).succeeded();
    }

    @Test
    void aControlWriteFromABindMountInAnotherUserNamespaceIsAnyUsers() throws IOException {
        Shell inside = Shell.bash(
                Shell.NOBODY,
                "unshare --user --map-root-user --mount sh -c '"
                        + "mount --bind $0 $1 && cd $1 && cat kexecfs.state && echo 1 > kexecfs.prepare' $2 $1",
                Files.createDirectory(mounted.base().resolve("bind")),
                mounted.directory());

        assertTrue(inside.output().startsWith("normal\n"), inside.output());
        inside.failed("Permission denied");
        assertEquals("normal", mounted.state());
    }
}
