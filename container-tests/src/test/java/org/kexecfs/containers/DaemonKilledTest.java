package org.kexecfs.containers;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.github.dockerjava.api.model.Bind;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** kexecfsd is killed while containers use its sessions, and the next one mounts them again: what containers see. */
@WithEngine
class DaemonKilledTest {
    private static final int USER = 1234;

    private final Host host = new Host();

    /** As all directories are under systemd: what is mounted in it comes to whoever has a slave of it. */
    @BeforeEach
    void share() {
        host.sh("mkdir sessions && mount --bind sessions sessions && mount --make-shared sessions"
                + " && mkdir sessions/web && mount.kexecfs web sessions/web -o emulate=luo,uid=" + USER);
    }

    @AfterEach
    void end() {
        host.endContainers();
        host.run("kexecfs umount sessions/web; umount sessions");
        host.close();
    }

    /** A container with a bind mount of a directory here. */
    private Box box(String bind) {
        return host.start(new Box()
                .lockedDown(USER)
                .host(settings -> settings.withBinds(Bind.parse(host.path(bind).toString()))));
    }

    /** Its process goes on through all that follows. */
    private static long pid(Box box) {
        return box.getCurrentContainerInfo().getState().getPidLong();
    }

    /** How many there are in it: the dead one is to be gone. */
    private static String mounts(Box box) {
        return box.sh("grep -c fuse.kexecfs /proc/self/mountinfo");
    }

    /** Whether it says that all is well depends on others' mounts, too. */
    private void heal() {
        host.run("kexecfs heal");
    }

    private void killDaemon() {
        host.sh("kill -9 $(cat run/kexecfsd.pid)");
    }

    @ParameterizedTest
    @ValueSource(strings = {"rslave", "rprivate"})
    void whoHasTheDirectoryAboveHasTheMountAgain(String propagation) {
        Box box = box("sessions:/session:" + propagation);
        long before = pid(box);
        box.sh("echo before >web/file && with-memfd memory rw ln web/kexecfs.fd/self/3 web/linked");

        killDaemon();
        heal();

        assertAll(
                () -> assertEquals("before", box.sh("cat web/file")),
                () -> assertEquals("memory", box.sh("cat web/linked")),
                () -> assertEquals("after", box.sh("echo after >web/new && cat web/new")),
                () -> assertEquals("after", host.sh("cat sessions/web/new")),
                () -> assertEquals("normal", box.sh("cat web/kexecfs.state")),
                () -> assertEquals(before, pid(box), "the container was restarted"),
                () -> assertEquals("1", mounts(box)));
    }

    /** As a volume is bound, too. */
    @Test
    void whoHasTheSessionItselfHasItAgain_andItsOtherMountsStay() {
        Box box = box("sessions/web:/session");
        Box other = host.start(new Box().session(host.mount("other")));
        long before = pid(box);
        box.sh("echo before >file && mkdir dir && with-memfd memory rw ln kexecfs.fd/self/3 dir/linked");
        other.sh("echo other >file");

        killDaemon();
        heal();

        assertAll(
                () -> assertEquals("before", box.sh("cat file")),
                () -> assertEquals("memory", box.sh("cat dir/linked")),
                () -> assertEquals("after", box.sh("echo after >new && cat new")),
                () -> assertEquals("after", host.sh("cat sessions/web/new")),
                () -> assertEquals(before, pid(box), "the container was restarted"),
                () -> assertEquals("1", mounts(box)),
                () -> assertEquals("other", other.sh("cat file")));
    }

    @Test
    void aReadOnlyOneIsReadOnlyAgain_andADirectoryOfTheSessionIsThatDirectory() {
        host.sh("mkdir sessions/web/dir && echo inside >sessions/web/dir/file");
        Box box = box("sessions/web/dir:/session:ro");

        killDaemon();
        heal();

        assertEquals("inside", box.sh("cat file"));
        box.run("touch new").failWith("Read-only file system");
    }

    @Test
    void aContainerWithAUserNamespaceHasItsSessionAgain() {
        host.mount("shifted", "uid=100000");
        Bundle bundle = host.start("bundle", Bundle.root(host.path("root")), "shifted", 100_000);
        bundle.sh("echo before >file");

        killDaemon();
        heal();

        assertEquals("before", bundle.sh("cat file"));
        bundle.sh("echo after >file");
        assertEquals("after", host.sh("cat shifted/file"));
    }
}
