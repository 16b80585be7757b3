package org.kexecfs.containers;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestInstance.Lifecycle;

/** Two containers with a session each, and one more that shares the first one's. */
@WithEngine
@TestInstance(Lifecycle.PER_CLASS)
class SeveralContainersTest {
    private final Host host = new Host();
    private Box first;
    private Box second;
    private Box shares;

    @BeforeAll
    void start() {
        first = host.start(new Box().session(host.mount("first", "mode=0777")));
        second = host.start(new Box().session(host.mount("second", "mode=0777")));
        shares = host.start(new Box().session(host.path("first")).lockedDown(1234));
    }

    @AfterAll
    void end() {
        host.close();
    }

    @Test
    void nobodySeesTheOthersSession() {
        first.sh("echo 1 >of-first");
        second.sh("echo 2 >of-second");

        assertEquals("of-first", first.sh("ls | grep ^of"));
        assertEquals("of-second", second.sh("ls | grep ^of"));
        String sessions = "awk '$(NF - 2) ~ /kexecfs/ { print $(NF - 1) }' /proc/self/mountinfo";
        assertEquals("first", first.sh(sessions));
        assertEquals("second", second.sh(sessions));
        assertEquals("1", second.sh("grep -c '^session second' kexecfs.info"));
    }

    @Test
    void oneIsPreparedAndTheOtherNot() {
        host.sh("echo 1 >first/kexecfs.prepare");

        first.run("touch new").failWith("esource busy");
        second.sh("touch new && rm new");
        assertEquals("prepared", shares.sh("cat kexecfs.state"));
        assertEquals("normal", second.sh("cat kexecfs.state"));
        host.sh("echo 1 >first/kexecfs.cancel");
    }

    @Test
    void whatIsSharedIsSeenByBoth() {
        first.sh("echo 1 >both && chmod 666 both");
        shares.sh("echo 2 >>both");
        first.sh("echo 3 >>both && echo mine >private && chmod 600 private");

        assertEquals("1 2 3", shares.sh("cat both").replace('\n', ' '));
        shares.run("cat private").failWith("Permission denied");
        shares.run("cat of-second").failWith("No such file");
    }

    @Test
    void aLinkedDescriptorIsOneFileForBoth() {
        shares.sh("with-memfd hello rw sh -c 'ln kexecfs.fd/self/3 memory'");

        first.sh("printf J | dd of=memory conv=notrunc 2>/dev/null");

        assertEquals("Jello", shares.sh("kexecfs-sock kexecfs.sock open r memory cat /proc/self/fd/3"));
    }
}
