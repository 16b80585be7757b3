package org.kexecfs.containers;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestInstance.Lifecycle;

/** A session that is bind-mounted into a container: the container and the host see the same. */
@WithEngine
@TestInstance(Lifecycle.PER_CLASS)
class SessionInContainerTest {
    private final Host host = new Host();
    private Path session;
    private Box box;

    @BeforeAll
    void start() {
        session = host.mount("web");
        box = host.start(new Box().session(session));
    }

    @AfterAll
    void end() {
        host.close();
    }

    @Test
    void aProcessLinksItsOwnDescriptorByItsOwnNumber() {
        String name = box.sh("with-memfd hello rw sh -c 'ln kexecfs.fd/$$/3 by-$$ && echo by-$$'");

        assertEquals("hello", host.sh("cat web/" + name));
    }

    @Test
    void whatIsWrittenToALinkedDescriptorLaterIsSeen() {
        box.sh("with-memfd hello rw sh -c 'ln kexecfs.fd/self/3 later && printf _more >>/proc/self/fd/3'");

        assertEquals("hello_more", host.sh("cat web/later"));
    }

    @Test
    void aDescriptorGoesInAndOutByTheSocket() {
        box.sh("with-memfd hello rw kexecfs-sock kexecfs.sock preserve sent");

        assertEquals("hello", host.sh("cat web/sent"));
        assertEquals("hello", box.sh("kexecfs-sock kexecfs.sock open r sent cat /proc/self/fd/3"));
    }

    @Test
    void filesAreTheSameOnBothSides() {
        box.sh("mkdir dir && cp /bin/busybox dir/ && printf 1 >dir/one && chmod 640 dir/one && chown 5:6 dir/one");
        host.sh("printf two >web/dir/two && printf more >>web/dir/one");
        String look = "cd dir && stat -c '%n %s %a %u %g %Y %h' * && sha256sum *";

        assertEquals(host.sh("cd web && " + look), box.sh(look));
        assertEquals("1more", box.sh("cat dir/one"));
    }

    @Test
    void controlFilesTellTheSame() {
        String look = "cat kexecfs.state kexecfs.info kexecfs.files kexecfs.error";
        host.sh("touch web/listed");

        assertEquals(host.sh("cd web && " + look), box.sh(look));
    }

    @Test
    void whoPollsTheStateIsWokenByTheHost() {
        box.sh("mkfifo /tmp/said /tmp/ended"
                + " && { (await-state kexecfs.state prepared >/tmp/said; echo $? >/tmp/ended) >/dev/null 2>&1 & }"
                + " && read said </tmp/said && [ \"$said\" = waiting ]");

        host.sh("echo 1 >web/kexecfs.prepare");

        assertEquals("0", box.sh("cat /tmp/ended"));
        host.sh("echo 1 >web/kexecfs.cancel");
    }
}
