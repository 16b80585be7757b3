package org.kexecfs.fuse;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import jnr.constants.platform.linux.Errno;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.kexecfs.luo.LiveUpdateSession;
import org.kexecfs.mount.MountOptions;
import org.kexecfs.mount.MountTable;
import org.kexecfs.posix.Fd;

/** Mounts that succeed, that fail, and whose server dies. */
class MountTest {
    private Mounted mounted;

    @BeforeEach
    void makeDirectories() {
        mounted = new Mounted();
    }

    @AfterEach
    void cleanUp() {
        mounted.close();
    }

    private String failed(Errno errno, String session, Path directory, String options) {
        int before = descriptors();
        String message = Fails.with(errno, () -> KexecFsMount.mount(session, directory, MountOptions.parse(options)));
        assertTrue(MountTable.read().stream().noneMatch(m -> m.directory().startsWith(mounted.base())));
        assertTrue(descriptors() <= before + 2, "descriptors are left"); // The JVM's own come late.
        return message;
    }

    private String failed(Errno errno, String session, Path directory) {
        return failed(errno, session, directory, "emulate=" + mounted.emulation());
    }

    private static int descriptors() {
        return Path.of("/proc/self/fd").toFile().list().length;
    }

    private static void assertContains(String message, Object... parts) {
        for (Object part : parts) {
            assertTrue(message.contains(part.toString()), message);
        }
    }

    @Test
    void aMountIsShownWithItsSessionAndType() {
        mounted.mount("");

        assertEquals(
                "fuse.kexecfs vm",
                Shell.bash("findmnt -no FSTYPE,SOURCE $1 | xargs", mounted.directory())
                        .succeeded());
        assertEquals(mounted.directory(), mounted.mount().directory());
    }

    @Test
    void optionsSayWhatTheRootAndTheMountAre() {
        mounted.mount("uid=65534,gid=7,mode=0750,ro,noexec,size=1m,nr_inodes=5");

        assertEquals("65534 7 750", mounted.sh("stat -c '%u %g %a' .").succeeded());
        mounted.sh("echo > a").failed("Read-only file system");
        String options =
                Shell.bash("findmnt -no OPTIONS $1", mounted.directory()).succeeded();
        assertContains(options, "ro", "noexec", "nosuid", "nodev");
        assertContains(mounted.read("kexecfs.info"), "size 1048576\n", "nr_inodes 5\n");
    }

    @Test
    void aMissingDevice() {
        assertContains(
                failed(Errno.ENOENT, "vm", mounted.directory(), "device=/nowhere/liveupdate"),
                "/nowhere/liveupdate",
                "no LUO device",
                "liveupdate=on");
    }

    @Test
    void aDeviceThatIsNoLuo() throws IOException {
        Path file = Files.createFile(mounted.base().resolve("file"));

        assertContains(failed(Errno.ENOTTY, "vm", mounted.directory(), "device=" + file), file, "ENOTTY");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", ".", "..", "a/b", "0123456789012345678901234567890123456789012345678901234567890123"})
    void aBadSessionName(String name) {
        assertContains(failed(Errno.EINVAL, name, mounted.directory()), "EINVAL");
    }

    @Test
    void aMountPointThatDoesNotExist() {
        assertContains(failed(Errno.ENOENT, "vm", mounted.base().resolve("none")), "mount point", "/none");
    }

    @Test
    void aMountPointThatIsNoDirectory() throws IOException {
        Path file = Files.createFile(mounted.base().resolve("file"));

        assertContains(failed(Errno.ENOTDIR, "vm", file), "mount point", file);
    }

    @Test
    void aSessionThatIsMountedAlready_saysWhere() throws IOException {
        mounted.mount("");
        mounted.write("a", "1");
        Path other = Files.createDirectory(mounted.base().resolve("other"));

        String message = Fails.with(Errno.EBUSY, () -> KexecFsMount.mount(Mounted.SESSION, other, mounted.options("")));

        assertContains(
                message,
                Mounted.SESSION,
                mounted.directory(),
                ProcessHandle.current().pid());
        assertEquals("1", mounted.read("a"));
        assertEquals("normal", mounted.state());
    }

    @Test
    void aNameThatSomebodyElseHasInLuo() {
        LiveUpdateSession theirs = mounted.luo().createSession("vm");
        try {
            assertContains(failed(Errno.EEXIST, "vm", mounted.directory()), "vm", "EEXIST");
        } finally {
            theirs.close();
        }
        mounted.mount("");
        assertEquals("normal", mounted.state());
    }

    @Test
    void twoSessionsHaveFilesOfTheSameNames() throws IOException {
        mounted.mount("");
        mounted.write("a", "one");
        Path other = Files.createDirectory(mounted.base().resolve("other"));
        KexecFsMount second = KexecFsMount.mount("other", other, mounted.options(""));
        try {
            Shell.bash("printf two > $1/a; cat $1/a", other).succeeded();
            assertEquals("one", mounted.read("a"));
        } finally {
            second.close();
        }
    }

    @Test
    void anOutgoingSessionOnlyIsTakenByTheSecondMount_onceTheFirstIsUnmounted() {
        mounted.mount("");
        mounted.remount("");
        mounted.remount("");

        assertEquals("normal", mounted.state());
    }

    @Test
    void whoHasNoRightToMount() throws IOException {
        Path luo = mounted.base().resolve("theirs");
        Shell.bash("mkdir -m 777 $1", luo).succeeded();
        // All may be read, so that the class path can be, wherever it lies.
        List<String> nobody = List.of(
                "setpriv",
                "--reuid=65534",
                "--regid=65534",
                "--clear-groups",
                "--inh-caps=+dac_read_search",
                "--ambient-caps=+dac_read_search");

        try (Served served = Served.start(nobody, "vm", mounted.directory(), "emulate=" + luo + "/luo")) {
            assertContains(served.said(), "EACCES", "/dev/fuse", "no right to use FUSE");
        }
        try (Served served = Served.start(
                List.of("setpriv", "--bounding-set=-sys_admin"),
                "vm",
                mounted.directory(),
                "emulate=" + luo + "/root")) {
            assertContains(served.said(), "EPERM", "CAP_SYS_ADMIN");
        }
        assertTrue(MountTable.at(mounted.directory()).isEmpty());
    }

    @Test
    void aMountWhoseServerWasKilledIsReplacedByTheNext() throws IOException {
        try (Served served =
                Served.start(List.of(), Mounted.SESSION, mounted.directory(), "emulate=" + mounted.emulation())) {
            assertEquals("mounted", served.said());
            Shell.bash("echo 1 > $1/a; echo 1 > $1/kexecfs.prepare", mounted.directory())
                    .succeeded();
            assertContains(Fails.with(Errno.EBUSY, () -> mounted.mount("")), mounted.directory(), served.pid());
            served.kill();
        }
        Shell.bash("ls $1", mounted.directory()).failed("Transport endpoint is not connected");

        mounted.mount("");

        assertEquals("normal", mounted.state());
        assertEquals(
                1,
                MountTable.read().stream()
                        .filter(m -> m.directory().equals(mounted.directory()))
                        .count());
    }

    @Test
    void aSessionThatWasPreparedIsRestoredByAnotherProcess() throws IOException {
        try (Served served =
                Served.start(List.of(), Mounted.SESSION, mounted.directory(), "emulate=" + mounted.emulation())) {
            assertEquals("mounted", served.said());
            Shell.bash("printf kept > $1/a; echo 1 > $1/kexecfs.prepare", mounted.directory())
                    .succeeded();
            mounted.luo().kexec();
            served.kill(); // As a real kexec does.
        }

        mounted.mount("");

        assertEquals("updated", mounted.state());
        assertEquals("kept", mounted.read("a"));
        mounted.write("kexecfs.finish", "1");
    }

    @Test
    void anOpenFileKeepsALazilyUnmountedSessionAlive() throws Exception {
        mounted.mount("");
        mounted.write("a", "1");
        Fd open = mounted.keep(Fd.open(mounted.path("a").toString(), Fd.O_RDWR, 0));

        Shell.bash("umount $1", mounted.directory()).failed("busy");
        Shell.bash("umount -l $1", mounted.directory()).succeeded();

        assertEquals("1", Mounted.read(open));
        open.close();
        mounted.mount().awaitUnmounted();
    }
}
