package org.kexecfs.containers;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestInstance.Lifecycle;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a hostile container tries to use up: the others, and the host, go on. Rows of kexecfs/doc/security.md. */
@WithEngine
@TestInstance(Lifecycle.PER_CLASS)
class ContainerExhaustionTest {
    private static final int USER = 1234;
    private static final int OTHER = 4321;

    private final Host host = new Host();
    private int tests;
    private String web;
    private Box box;

    @BeforeAll
    void mountOther() {
        host.mount("other");
    }

    /** Each has a session of its own: what a killed process had open is free again only a moment after its end. */
    @BeforeEach
    void start() {
        web = "web" + ++tests;
        box = host.start(new Box()
                .session(host.mount(web, "mode=0777", "nr_inodes=100", "size=1m"))
                .lockedDown(USER));
    }

    @AfterAll
    void end() {
        host.close();
    }

    @ParameterizedTest
    @ValueSource(strings = {"files", "memfds"})
    void asManyEntriesAsItCanMake(String what) {
        assertEquals("100, then: No space left on device", box.sh("exhaust " + what + " ."));

        host.sh("echo 1 >other/file && echo 1 >" + web + "/kexecfs.prepare");
    }

    @Test
    void asManyBytesAsItCanWrite() {
        box.run("dd if=/dev/zero of=big bs=64k").failWith("No space left on device");

        assertEquals("1048576", host.sh("stat -c %s " + web + "/big"));
        host.sh("echo 1 >other/file && echo 1 >" + web + "/kexecfs.prepare");
    }

    @Test
    void asManyConnectionsAsItCanMake() {
        box.sh("mkfifo /tmp/said /tmp/on && { exhaust connections kexecfs.sock </tmp/on >/tmp/said 2>&1 & }"
                + " && { sleep 600 >/tmp/on 2>/dev/null </dev/null & } && read said </tmp/said && echo \"$said\"");

        box.sh("with-memfd hello rw kexecfs-sock kexecfs.sock preserve of-the-same-user");
        box.runAs(OTHER, "with-memfd hello rw kexecfs-sock kexecfs.sock preserve sent")
                .succeed();
        assertEquals(
                "hello",
                box.runAs(OTHER, "kexecfs-sock kexecfs.sock open r sent cat /proc/self/fd/3")
                        .succeed());
    }

    @Test
    void asManyWaitersAsItCanStart() {
        box.sh("for i in $(seq 64); do await-state kexecfs.state updated >/dev/null 2>&1 & done");

        host.sh("cd " + web + " && echo 1 >kexecfs.prepare && echo 1 >kexecfs.cancel && timeout 5 ls kexecfs.fd/self/");
    }
}
