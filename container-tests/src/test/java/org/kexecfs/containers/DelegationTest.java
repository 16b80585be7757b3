package org.kexecfs.containers;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestInstance.Lifecycle;

/** Who may link and who may drive the state machine are two questions: the container's one, or the other. */
@WithEngine
@TestInstance(Lifecycle.PER_CLASS)
class DelegationTest {
    private static final int USER = 1234;
    private static final String EACCES = "Permission denied";

    private final Host host = new Host();

    @AfterAll
    void end() {
        host.close();
    }

    @Test
    void theContainerLinksAndTheHostDrives() {
        String options = "uid=" + USER;
        Box box = host.start(new Box().session(host.mount("links", options)).lockedDown(USER));
        box.sh("with-memfd hello rw ln kexecfs.fd/self/3 linked");
        box.run("echo 1 >kexecfs.prepare").failWith(EACCES);
        host.sh("echo 1 >links/kexecfs.prepare");
        box.run("echo 1 >kexecfs.cancel").failWith(EACCES);
        box.stop();

        host.kexec();
        host.mount("links", options);

        Box after = host.start(new Box().session(host.path("links")).lockedDown(USER));
        assertEquals("updated", after.sh("cat kexecfs.state"));
        after.run("echo 1 >kexecfs.finish").failWith(EACCES);
        assertEquals("hello", after.sh("cat linked"));
        host.sh("echo strict >links/kexecfs.finish");
        assertEquals("normal", after.sh("cat kexecfs.state"));
    }

    @Test
    void theContainerDrivesAndTheHostLinks() {
        String options = "control_uid=" + USER;
        Box box = host.start(new Box().session(host.mount("drives", options)).lockedDown(USER));
        host.sh("echo hello >drives/file");
        box.run("with-memfd hello rw ln kexecfs.fd/self/3 linked").failWith(EACCES);
        box.run("with-memfd hello rw kexecfs-sock kexecfs.sock preserve linked").failWith("EACCES");
        box.run("rm -f file").failWith(EACCES);
        box.sh("echo 1 >kexecfs.prepare && echo 1 >kexecfs.cancel && do-ioctl prepare .");
        assertEquals("prepared", host.sh("cat drives/kexecfs.state"));
        box.stop();

        host.kexec();
        host.mount("drives", options);

        Box after = host.start(new Box().session(host.path("drives")).lockedDown(USER));
        after.run("echo strict >kexecfs.finish").failWith("busy");
        assertEquals("hello", after.sh("cat file && echo strict >kexecfs.finish"));
        assertEquals("normal", host.sh("cat drives/kexecfs.state"));
    }

    /** What a container's uid means is the user namespace's business: without one, it is the host's. */
    @Test
    void rootOfAContainerWithoutAUserNamespaceIsTheHostsRoot() {
        Box box = host.start(new Box().session(host.mount("root-owned")).lockedDown(0));

        box.sh("echo 1 >kexecfs.prepare && echo 1 >kexecfs.cancel");
    }

    @Test
    void aGroupMayDrive() {
        Box box = host.start(new Box()
                .session(host.mount("group", "control_gid=" + USER, "control_mode=0220"))
                .lockedDown(USER));

        box.sh("echo 1 >kexecfs.prepare && echo 1 >kexecfs.cancel");
        box.runAs(4321, "echo 1 >kexecfs.prepare").failWith(EACCES);
    }
}
