package org.kexecfs.containers;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;

/** Who may link and who may drive the state machine are two questions: the container's one, or the other. */
@WithEngine
class DelegationTest {
    private static final int USER = 1234;
    private static final String EACCES = "Permission denied";

    @AutoClose
    private final Host host = new Host();

    @Test
    void theContainerLinksAndTheHostDrives() {
        String options = "uid=" + USER;
        Box box = host.start(new Box().session(host.mount("web", options)).lockedDown(USER));
        box.sh("with-memfd hello rw ln kexecfs.fd/self/3 linked");
        box.run("echo 1 >kexecfs.prepare").failWith(EACCES);
        host.sh("echo 1 >web/kexecfs.prepare");
        box.run("echo 1 >kexecfs.cancel").failWith(EACCES);
        box.stop();

        host.kexec();
        host.mount("web", options);

        Box after = host.start(new Box().session(host.path("web")).lockedDown(USER));
        assertEquals("updated", after.sh("cat kexecfs.state"));
        after.run("echo 1 >kexecfs.finish").failWith(EACCES);
        assertEquals("hello", after.sh("cat linked"));
        host.sh("echo strict >web/kexecfs.finish");
        assertEquals("normal", after.sh("cat kexecfs.state"));
    }

    @Test
    void theContainerDrivesAndTheHostLinks() {
        String options = "control_uid=" + USER;
        Box box = host.start(new Box().session(host.mount("web", options)).lockedDown(USER));
        host.sh("echo hello >web/file");
        box.run("with-memfd hello rw ln kexecfs.fd/self/3 linked").failWith(EACCES);
        box.run("with-memfd hello rw kexecfs-sock kexecfs.sock preserve linked").failWith("EACCES");
        box.run("rm -f file").failWith(EACCES);
        box.sh("echo 1 >kexecfs.prepare && echo 1 >kexecfs.cancel && do-ioctl prepare .");
        assertEquals("prepared", host.sh("cat web/kexecfs.state"));
        box.stop();

        host.kexec();
        host.mount("web", options);

        Box after = host.start(new Box().session(host.path("web")).lockedDown(USER));
        after.run("echo strict >kexecfs.finish").failWith("busy");
        assertEquals("hello", after.sh("cat file && echo strict >kexecfs.finish"));
        assertEquals("normal", host.sh("cat web/kexecfs.state"));
    }

    /** What a container's uid means is the user namespace's business: without one, it is the host's. */
    @Test
    void rootOfAContainerWithoutAUserNamespaceIsTheHostsRoot() {
        Box box = host.start(new Box().session(host.mount("web")).lockedDown(0));

        box.sh("echo 1 >kexecfs.prepare && echo 1 >kexecfs.cancel");
    }

    @Test
    void aGroupMayDrive() {
        Box box = host.start(new Box()
                .session(host.mount("web", "control_gid=" + USER, "control_mode=0220"))
                .lockedDown(USER));

        box.sh("echo 1 >kexecfs.prepare && echo 1 >kexecfs.cancel");
        box.runAs(4321, "echo 1 >kexecfs.prepare").failWith(EACCES);
    }
}
