package org.kexecfs.fuse;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import jnr.constants.platform.linux.Errno;
import jnr.ffi.Pointer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.kexecfs.luo.LiveUpdateSession;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.Libc;

/** The control files, and a session's whole way through them. */
class ControlFilesTest {
    private static final int POLLPRI = 2;
    private static final int POLLERR = 8;

    private Mounted mounted;

    @BeforeEach
    void makeOne() {
        mounted = Mounted.with("mode=1777");
    }

    @AfterEach
    void unmount() {
        mounted.close();
    }

    @Test
    void theWholeCycle() {
        Fd memfd = mounted.memfd("in memory");
        MoreLibc.hardLink(mounted.source(memfd), mounted.path("ram0"));
        mounted.sh("echo copied > plain; chmod 600 plain; chown 65534 plain; touch -d @1000000000.5 plain")
                .succeeded();
        assertEquals("normal", mounted.state());

        mounted.sh("echo 1 > kexecfs.prepare").succeeded();
        assertEquals("prepared", mounted.state());
        mounted.sh("echo new > new").failed("Device or resource busy");
        mounted.sh("rm ram0").failed("Device or resource busy");
        mounted.sh("truncate -s 0 plain").failed("Operation not permitted");
        mounted.sh("echo more >> plain").failed("Operation not permitted");
        mounted.sh("printf COPIED 1<> plain").succeeded();
        memfd.pwrite(Fd.utf8("IN"), 0);
        assertEquals(
                "token\ttype\tsize\tstatus\tname\n2\tmemfd\t7\tpreserved\tplain\n1\tmemfd\t9\tpreserved\tram0\n",
                mounted.read("kexecfs.files"));

        mounted.kexec("");
        assertEquals("updated", mounted.state());
        assertEquals("restored", mounted.sh("grep ram0 kexecfs.files | cut -f4").succeeded());
        assertEquals("IN memory", mounted.read("ram0"));
        assertEquals("claimed", mounted.sh("grep ram0 kexecfs.files | cut -f4").succeeded());
        mounted.sh("echo strict > kexecfs.finish").failed("Device or resource busy");
        assertTrue(mounted.read("kexecfs.error").contains("plain"), mounted.read("kexecfs.error"));
        assertEquals("COPIED", mounted.sh("cat plain").succeeded());
        assertEquals(
                "65534 600 1000000000", mounted.sh("stat -c '%u %a %Y' plain").succeeded());
        mounted.sh("echo strict > kexecfs.finish").succeeded();

        assertEquals("normal", mounted.state());
        assertEquals("", mounted.read("kexecfs.error"));
        mounted.sh("echo 1 > kexecfs.prepare").succeeded();
        mounted.kexec("");
        assertEquals("IN memory", mounted.read("ram0"));
        mounted.sh("echo release > kexecfs.finish").succeeded();
        assertEquals("ram0", mounted.sh("ls | grep -v ^kexecfs").succeeded());
    }

    @Test
    void cancelTakesBack_andUmountEndsIt() {
        mounted.write("a", "1");
        mounted.write("kexecfs.prepare", "1");
        mounted.write("kexecfs.cancel", "1\n");
        assertEquals("normal", mounted.state());
        mounted.write("kexecfs.prepare", " 1 \n");

        mounted.remount("");

        assertEquals("normal", mounted.state());
        assertEquals("", mounted.sh("ls | grep -v ^kexecfs || true").succeeded());
    }

    @Test
    void whatTheStateRefusesIsTheWritersErrno() {
        mounted.sh("echo 1 > kexecfs.cancel").failed("Invalid argument");
        mounted.sh("echo 1 > kexecfs.finish").failed("Invalid argument");
        assertEquals("normal", mounted.state());
        assertTrue(mounted.read("kexecfs.error").startsWith("finish: "), mounted.read("kexecfs.error"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"prepare", "cancel", "finish"})
    void malformedWritesAreInvalid_andChangeNothing(String command) {
        mounted.write("a", "1");
        for (String text : List.of(
                "0",
                "2",
                "11",
                "1 1",
                "yes",
                "strictly",
                "1\0",
                "\n",
                " ",
                "1".repeat(65),
                "x".repeat(5000),
                "\u00e9")) {
            Fails.with(Errno.EINVAL, () -> mounted.write("kexecfs." + command, text));
        }
        mounted.sh(": > kexecfs." + command).succeeded(); // Nothing was written: nothing happens.
        assertEquals("normal", mounted.state());
        assertEquals("1", mounted.read("a"));
    }

    @Test
    void whatIsReadCannotBeWritten_andTheOtherWayRound() {
        for (String name : List.of("state", "files", "error", "info")) {
            Fails.with(Errno.EACCES, () -> mounted.write("kexecfs." + name, "1"));
        }
        for (String name : List.of("prepare", "cancel", "finish")) {
            Fails.with(Errno.EACCES, () -> mounted.read("kexecfs." + name));
        }
        assertEquals("normal", mounted.state());
    }

    @Test
    void ownersAndModesSayWhoMayDriveTheStateMachine() {
        assertEquals(
                "0 0 444 0 0 200",
                mounted.sh("echo $(stat -c '%u %g %a' kexecfs.state kexecfs.prepare)")
                        .succeeded());
        mounted.shAsNobody("echo 1 > kexecfs.prepare").failed("Permission denied");
        assertEquals("normal", mounted.shAsNobody("cat kexecfs.state").succeeded());

        mounted.remount("control_uid=65534,control_gid=7,control_mode=660");

        assertEquals(
                "65534 7 444 65534 7 220",
                mounted.sh("echo $(stat -c '%u %g %a' kexecfs.state kexecfs.prepare)")
                        .succeeded());
        mounted.shAsNobody("echo 1 > kexecfs.prepare").succeeded();
        assertEquals("prepared", mounted.state());
        mounted.write("kexecfs.cancel", "1");
    }

    @Test
    void infoTellsTheSession() {
        mounted.write("a", "12345");

        List<String> lines = mounted.read("kexecfs.info").lines().toList();

        assertTrue(
                lines.containsAll(List.of(
                        "version 1",
                        "session vm",
                        "backend emulated " + mounted.emulation(),
                        "state normal",
                        "cycle 0",
                        "entries 1",
                        "bytes 5")),
                lines.toString());
    }

    @Test
    void aReaderThatRewindsSeesWhatIsNew() {
        Fd state = mounted.open("kexecfs.state", Fd.O_RDONLY);
        assertEquals("normal\n", Mounted.read(state));

        mounted.write("kexecfs.prepare", "1");

        assertEquals("prepared\n", Mounted.read(state));
        mounted.write("kexecfs.cancel", "1");
    }

    @Test
    void pollWakesOnEveryChangeOfTheState() throws Exception {
        Fd state = mounted.open("kexecfs.state", Fd.O_RDONLY);
        Mounted.read(state);
        for (String command : List.of("prepare", "cancel", "prepare", "cancel")) {
            assertEquals(0, poll(state, 0));
            CompletableFuture<Integer> woken = CompletableFuture.supplyAsync(() -> poll(state, 20_000));

            mounted.write("kexecfs." + command, "1");

            assertEquals(POLLPRI | POLLERR, woken.get(10, TimeUnit.SECONDS) & (POLLPRI | POLLERR));
            assertEquals(POLLPRI | POLLERR, poll(state, 0), "until it is read");
            Mounted.read(state);
        }
        assertEquals(0, poll(state, 0));
    }

    @Test
    void aChangeThatFailsWakesNobody() {
        Fd state = mounted.open("kexecfs.state", Fd.O_RDONLY);
        Mounted.read(state);

        Fails.with(Errno.EINVAL, () -> mounted.write("kexecfs.cancel", "1"));

        assertEquals(0, poll(state, 0));
    }

    private static int poll(Fd file, int milliseconds) {
        Pointer pollfd = Fd.allocate(8);
        pollfd.putInt(0, file.number());
        pollfd.putShort(4, (short) POLLPRI);
        MoreLibc.check(Libc.C.poll(pollfd, 1, milliseconds), "poll");
        return pollfd.getShort(6);
    }

    @Test
    void umountEndsTheSession_andLuoHoldsNothing() throws InterruptedException {
        mounted.write("a", "1");
        mounted.write("kexecfs.prepare", "1");
        Fails.with(Errno.EEXIST, () -> mounted.luo().createSession(Mounted.SESSION));

        Shell.bash("umount $1", mounted.directory()).succeeded();
        mounted.mount().awaitUnmounted();

        LiveUpdateSession free = mounted.luo().createSession(Mounted.SESSION);
        assertEquals(List.of(Mounted.SESSION), mounted.luo().kexec().sessions());
        free.close();
        Fails.with(Errno.ENOENT, () -> {
            try (LiveUpdateSession empty = mounted.luo().retrieveSession(Mounted.SESSION)) {
                empty.retrieve(0);
            }
        });
    }

    @Test
    void aBindMountIsTheSameSession() {
        Path bind = mounted.base().resolve("bind");
        Shell.bash("mkdir $2; mount --bind $1 $2; echo there > $2/a", mounted.directory(), bind)
                .succeeded();
        try {
            assertEquals("there\n", mounted.read("a"));
            Shell.bash("echo 1 > $1/kexecfs.prepare", bind).succeeded();
            assertEquals("prepared", mounted.state());
            mounted.write("kexecfs.cancel", "1");
        } finally {
            Shell.bash("umount $1", bind).succeeded();
        }
    }
}
