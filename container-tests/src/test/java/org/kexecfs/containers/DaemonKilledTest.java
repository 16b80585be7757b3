package org.kexecfs.containers;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.github.dockerjava.api.model.Bind;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

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

    private void killDaemon() {
        host.sh("kill -9 $(cat run/kexecfsd.pid)");
    }

    @Test
    void whoHasTheDirectoryAboveAsASlaveHasTheMountAgain_andItsOpenFiles() {
        Box box = box("sessions:/session:rslave");
        long before = pid(box);
        box.sh("echo before >web/file && with-memfd memory rw ln web/kexecfs.fd/self/3 web/linked");

        killDaemon();
        host.sh("kexecfs heal");

        assertAll(
                () -> assertEquals("before", box.sh("cat web/file")),
                () -> assertEquals("memory", box.sh("cat web/linked")),
                () -> assertEquals("after", box.sh("echo after >web/new && cat web/new")),
                () -> assertEquals("after", host.sh("cat sessions/web/new")),
                () -> assertEquals("normal", box.sh("cat web/kexecfs.state")),
                () -> assertEquals(before, pid(box), "the container was restarted"),
                () -> assertEquals(
                        "1", box.sh("grep -c fuse.kexecfs /proc/self/mountinfo"), "the dead mount is there, too"));
    }

    @Test
    void whoHasABindMountOfTheSessionItselfHasItAgain() {
        Box box = box("sessions/web:/session");
        long before = pid(box);
        box.sh("echo before >file");

        killDaemon();
        host.sh("kexecfs heal");

        assertAll(
                () -> assertEquals("before", box.sh("cat file")),
                () -> assertEquals("after", box.sh("echo after >new && cat new")),
                () -> assertEquals("after", host.sh("cat sessions/web/new")),
                () -> assertEquals(before, pid(box), "the container was restarted"),
                () -> assertEquals(
                        "1", box.sh("grep -c fuse.kexecfs /proc/self/mountinfo"), "the dead mount is there, too"));
    }
}
