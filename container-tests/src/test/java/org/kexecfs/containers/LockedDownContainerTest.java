package org.kexecfs.containers;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestInstance.Lifecycle;

/** A container that may nothing, with a session whose root is its user's: all that a service needs works. */
@WithEngine
@TestInstance(Lifecycle.PER_CLASS)
class LockedDownContainerTest {
    private static final int USER = 1234;

    private final Host host = new Host();
    private Box box;

    @BeforeAll
    void start() {
        box = host.start(new Box().session(host.mount("web", "uid=" + USER)).lockedDown(USER));
        String status = box.sh("grep -E '^(CapPrm|CapBnd|NoNewPrivs|Seccomp|Uid):' /proc/self/status | tr -d '\\t'");
        assertEquals(
                "Uid:1234123412341234\nCapPrm:0000000000000000\nCapBnd:0000000000000000\nNoNewPrivs:1\nSeccomp:2",
                status);
        box.run("touch /file").failWith("Read-only file system");
    }

    @AfterAll
    void end() {
        host.close();
    }

    @Test
    void itLinksItsDescriptors() {
        box.sh("with-memfd hello rw ln kexecfs.fd/self/3 linked && with-memfd hello rw do-ioctl preserve .");
        box.sh("with-memfd hello rw sh -c 'echo 3 written >kexecfs.preserve'");
        box.sh("with-memfd hello rw kexecfs-sock kexecfs.sock preserve sent");

        assertEquals(
                "1234 5 linked\n1234 5 by-ioctl\n1234 5 written\n1234 5 sent",
                host.sh("cd web && stat -c '%u %s %n' linked by-ioctl written sent"));
    }

    @Test
    void itReachesOtherProcessesOfItsUser() {
        box.sh("ln kexecfs.fd/" + box.holderOf(USER) + "/3 of-another");

        assertEquals("secret", host.sh("cat web/of-another"));
    }

    @Test
    void itKeepsFiles() {
        box.sh("mkdir dir && cp /bin/busybox dir/a && mv dir/a dir/b && ln dir/b c && chmod 600 c && truncate -s 9 c");
        box.sh("printf more >>c && dd if=/dev/zero of=zeroes bs=4k count=2 2>/dev/null && rm -r dir");

        assertEquals("c 13 1\nzeroes 8192 1", host.sh("cd web && stat -c '%n %s %h' c zeroes"));
        box.sh("rm c zeroes");
    }

    @Test
    void itReadsControlFiles() {
        assertEquals("normal", box.sh("cat kexecfs.state"));
        assertTrue(box.sh("cat kexecfs.info").contains("session web"));
        assertEquals("", box.sh("cat kexecfs.error"));
    }
}
