package org.kexecfs.containers;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestInstance.Lifecycle;

/** Containers whose uids are others on the host: owners are right on both sides, and their root is nobody special. */
@Tag("containers")
@TestInstance(Lifecycle.PER_CLASS)
class UserNamespaceTest {
    private static final int ROOT = 100_000;
    private static final int OTHER_ROOT = 300_000;
    private static final String LOOK = "stat -c '%u:%g %a' ";

    private final Host host = new Host();
    private Path root;
    private Bundle box;
    private Bundle other;

    @BeforeAll
    void start() {
        host.mount("web", "uid=" + ROOT, "gid=" + ROOT, "mode=0777");
        root = Bundle.root(host.path("root"));
        box = host.start("box", root, "web", ROOT);
        other = host.start("other", root, "web", OTHER_ROOT);
    }

    @AfterAll
    void end() {
        host.close();
    }

    @Test
    void whatItMakesIsItsOwnOnBothSides() {
        box.sh("umask 022 && echo 1 >file && mkdir dir && with-memfd hello rw ln kexecfs.fd/self/3 linked"
                + " && with-memfd hello rw sh -c \"ln kexecfs.fd/\\$\\$/3 by-pid\""
                + " && with-memfd hello rw kexecfs-sock kexecfs.sock preserve sent");

        assertEquals("0:0 644\n0:0 755\n0:0 600\n0:0 600\n0:0 600", box.sh(LOOK + "file dir linked by-pid sent"));
        assertEquals(
                "100000:100000 644\n100000:100000 755\n100000:100000 600\n100000:100000 600\n100000:100000 600",
                host.sh("cd web && " + LOOK + "file dir linked by-pid sent"));
        assertEquals("hello", host.sh("cat web/linked"));
    }

    @Test
    void ownersAreChangedOnEitherSide() {
        box.sh("echo 1 >changed && chown 7:8 changed");
        assertEquals("100007:100008 644", host.sh(LOOK + "web/changed"));

        host.sh("chown 100009:100010 web/changed");
        assertEquals("9:10 644", box.sh(LOOK + "changed"));
        box.runAs(9, "echo 2 >>changed").succeed();
    }

    @Test
    void whatIsNotItsOwnIsNobodys() {
        host.sh("echo secret >web/of-root && chmod 600 web/of-root");

        assertEquals("65534:65534 600", box.sh(LOOK + "of-root"));
        box.run("cat of-root").failWith("Permission denied");
        box.run("chown 0 of-root").failWith("Operation not permitted");
        box.run("chmod 666 of-root").failWith("Operation not permitted");
        box.run("kexecfs-sock kexecfs.sock open r of-root cat /proc/self/fd/3").failWith("EACCES");
    }

    @Test
    void itsRootIsNobodyToAnotherOne() {
        box.sh("echo secret >of-box && chmod 600 of-box");

        assertEquals("65534:65534 600", other.sh(LOOK + "of-box"));
        other.run("cat of-box").failWith("Permission denied");
        other.run("kexecfs-sock kexecfs.sock open rw of-box true").failWith("EACCES");
    }

    @Test
    void itDoesNotDriveTheStateMachine() {
        for (String control : new String[] {"prepare", "cancel", "finish"}) {
            box.run("echo 1 >kexecfs." + control).failWith("Permission denied");
            box.run("do-ioctl " + control + " .").failWith("Permission denied");
            box.run("chown 0 kexecfs." + control).failWith("Operation not permitted");
        }
        assertEquals("normal", box.sh("cat kexecfs.state"));
    }

    @Test
    void itsRootReachesProcessesOfItsOwnOnly() {
        String mine = box.sh("with-memfd secret rw sh -c \"echo \\$\\$; exec sleep 600 </dev/null >/dev/null 2>&1\" &");

        box.sh("ln kexecfs.fd/" + mine + "/3 own");
        box.run("ln kexecfs.fd/" + ProcessHandle.current().pid() + "/0 stolen").failWith("No such file");
        box.runAs(9, "ln kexecfs.fd/" + mine + "/3 stolen").failWith("Operation not permitted");
    }

    @Test
    void aSessionOfItsOwnItDrivesAndItsOwnersAreTheSameAfterTheUpdate() {
        String[] options = {"uid=" + ROOT, "control_uid=" + ROOT};
        try (Host another = new Host()) {
            another.mount("own", options);
            Bundle before = another.start("before", root, "own", ROOT);
            before.sh("echo 1 >file && chown 7:8 file && chmod 640 file && echo 1 >kexecfs.prepare");
            before.close();

            another.kexec();
            another.mount("own", options);

            Bundle after = another.start("after", root, "own", ROOT);
            assertEquals("7:8 640", after.sh(LOOK + "file"));
            assertEquals("100007:100008 640", another.sh(LOOK + "own/file"));
            after.sh("cat file && echo strict >kexecfs.finish");
        }
    }
}
