package org.kexecfs.containers;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.github.dockerjava.api.model.Capability;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestInstance.Lifecycle;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.kexecfs.posix.Fd;

/** What a hostile container tries to get at, with the session that it was given: rows of kexecfs/doc/security.md. */
@WithEngine
@TestInstance(Lifecycle.PER_CLASS)
class ContainerAttacksTest {
    private static final int USER = 1234;
    private static final int OTHER = 4321;
    private static final String EPERM = "Operation not permitted";
    private static final String EACCES = "Permission denied";
    private static final String EROFS = "Read-only file system";
    private static final String ENOENT = "No such file or directory";

    /** Of a process: its user, and whose rights it has. */
    private static final String IDS = "awk '/^Uid/ { print $2, $3 }' /proc/%s/status";

    private final Host host = new Host();
    private Path session;

    /** The attacker. Others may write to the root of its session, so that its permissions are not what stops them. */
    private Box box;

    /** One like it, with the same session. */
    private Box sibling;

    /** What `docker run` makes when nothing is said. */
    private Box usual;

    @BeforeAll
    void start() {
        session = host.mount("web", "mode=0777");
        host.mount("other");
        box = host.start(new Box().session(session).lockedDown(USER));
        sibling = host.start(new Box().session(session).lockedDown(USER));
        usual = host.start(new Box().session(session));
    }

    /** After each attack: the session is whole, and the host's. */
    @AfterEach
    void theSessionIsWhole() {
        assertEquals("normal", host.sh("cat web/kexecfs.state"));
        assertEquals(
                "0 0 200\n0 0 200\n0 0 200",
                host.sh("cd web && stat -c '%u %g %a' kexecfs.prepare kexecfs.cancel kexecfs.finish"));
        host.sh(
                "cd web && find . -mindepth 1 -maxdepth 1 ! -name 'kexecfs.*' -exec rm -r {} + && touch whole && rm whole");
    }

    @AfterAll
    void end() {
        host.close();
    }

    @Test
    void theDescriptorOfAnotherUser() {
        String other = box.holderOf(OTHER);

        box.runAs(OTHER, "ln kexecfs.fd/" + other + "/3 own").succeed();
        box.run("ln kexecfs.fd/" + other + "/3 stolen").failWith(EPERM);
        // busybox's ls does not tell of a directory that cannot be read.
        assertEquals("", box.run("ls kexecfs.fd/" + other).output());
    }

    @Test
    void theDescriptorOfASetUidProcess() {
        // No program of busybox: those give up what the bit gave them.
        String start = "set-uid-with-memfd secret rw await-state kexecfs.state updated >/dev/null 2>&1 &"
                + " until [ \"$(cat /proc/$!/comm)\" = await-state ]; do :; done; echo $!";

        String pid = usual.runAs(USER, start).succeed();
        assertEquals("1234 0", usual.sh(IDS.formatted(pid)));
        usual.runAs(USER, "ln kexecfs.fd/" + pid + "/3 stolen").failWith(EPERM);

        // Where the bit has no effect, it is the user's own process.
        box.sh("ln kexecfs.fd/" + box.sh(start) + "/3 own");
    }

    @Test
    void processesOfTheHost() {
        try (Fd secret = Fd.memfd("secret")) {
            long pid = ProcessHandle.current().pid();

            host.sh("ln web/kexecfs.fd/" + pid + "/" + secret.number() + " web/own");
            box.run("ln kexecfs.fd/" + pid + "/" + secret.number() + " stolen").failWith(ENOENT);
            usual.run("ln kexecfs.fd/" + pid + "/" + secret.number() + " stolen")
                    .failWith(ENOENT);
            assertEquals("self", usual.sh("ls kexecfs.fd"));
        }
    }

    @Test
    void processesOfTheHostThatItSees() {
        Box sees = new Box()
                .session(session)
                .host(config -> config.withPidMode("host").withCapDrop(Capability.ALL));
        try (Fd secret = Fd.memfd("secret")) {
            String source = "kexecfs.fd/" + ProcessHandle.current().pid() + "/" + secret.number();
            sees.start();

            assertEquals("0", sees.sh("id -u"));
            sees.run("ln " + source + " stolen").failWith(EPERM);
        } finally {
            sees.stop();
        }
    }

    @Test
    void processesOfASibling() {
        String inside = sibling.holderOf(USER);
        String outside = host.sh("grep -lxz 600 $(grep -lF " + sibling.getContainerId()
                + " /proc/[0-9]*/cgroup | sed s/cgroup/cmdline/) | tr -dc '0-9\\n' | head -n 1");

        sibling.sh("ln kexecfs.fd/" + inside + "/3 own");
        box.run("ln kexecfs.fd/" + outside + "/3 stolen").failWith(ENOENT);
    }

    @Test
    void processesOfASiblingThatItSees() {
        Box sees = new Box()
                .session(session)
                .lockedDown(OTHER)
                .host(config -> config.withPidMode("container:" + sibling.getContainerId()));
        try {
            sees.start();

            String source = "kexecfs.fd/" + sibling.holderOf(USER) + "/3";
            sees.runAs(USER, "ln " + source + " own").succeed();
            sees.run("ln " + source + " stolen").failWith(EPERM);
        } finally {
            sees.stop();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"prepare", "cancel", "finish"})
    void controlFiles(String control) {
        box.run("echo 1 >kexecfs." + control).failWith(EACCES);
        box.run("do-ioctl " + control + " .").failWith(EACCES);
        box.run("do-ioctl " + control + " kexecfs.state").failWith(EACCES);
        box.run("chmod 666 kexecfs." + control).failWith(EPERM);
        box.run("chown 1234 kexecfs." + control).failWith(EPERM);
        box.run("rm -f kexecfs." + control).failWith(EPERM);
        box.run("touch f && mv f kexecfs." + control).failWith(EPERM);
    }

    @ParameterizedTest
    @ValueSource(strings = {"../x", "a/../x", "./x", "..", ".", "kexecfs.x", "kexecfs.fd/x", "dir/../../x"})
    void tricksWithNames(String name) {
        box.sh("mkdir dir");

        box.run("with-memfd x rw kexecfs-sock kexecfs.sock preserve " + name).failWith("1 error E");
        box.run("with-memfd x rw sh -c 'echo 3 " + name + " >kexecfs.preserve'").failWith("sh: ");
        assertEquals("dir", host.sh("ls web | grep -v ^kexecfs"));
        assertEquals("", host.sh("ls -A other | grep -v ^kexecfs; :"));
    }

    @Test
    void namesOfKexecfsAndFilesThatAreNone() {
        box.run("touch kexecfs.x").failWith(EPERM);
        box.run("mkdir kexecfs.x").failWith(EPERM);
        box.run("ln -s / root").failWith(EPERM);
        box.run("mknod null c 1 3").failWith(EPERM);
        usual.run("mknod null c 1 3").failWith("not supported");
    }

    @Test
    void theParentOfTheSession() {
        assertEquals(box.sh("ls -A /"), box.sh("ls -A .."));
        box.run("ls ../other").failWith(ENOENT);
    }

    @Test
    void filesOfAnotherUser() {
        box.runAs(OTHER, "umask 077 && echo secret >theirs").succeed();

        box.run("cat theirs").failWith(EACCES);
        box.run("kexecfs-sock kexecfs.sock open r theirs cat /proc/self/fd/3").failWith("EACCES");
        box.run("chmod 644 theirs").failWith(EPERM);
    }

    @Test
    void aReadOnlyBindMount() {
        host.sh("echo 1 >web/file");
        // Root, who owns all: that it is read-only must be what stops it.
        Box reads = new Box().readOnlySession(session);
        try {
            reads.start();

            assertEquals("1", reads.sh("cat file"));
            assertEquals("1", reads.sh("kexecfs-sock kexecfs.sock open r file cat /proc/self/fd/3"));
            reads.run("touch new").failWith(EROFS);
            reads.run("echo 2 >file").failWith(EROFS);
            reads.run("echo 1 >kexecfs.prepare").failWith(EROFS);
            reads.run("do-ioctl prepare .").failWith(EROFS);
            reads.run("with-memfd x rw do-ioctl preserve .").failWith(EROFS);
            reads.run("with-memfd x rw ln kexecfs.fd/self/3 new").failWith(EROFS);
            reads.run("with-memfd x rw kexecfs-sock kexecfs.sock preserve new").failWith("EROFS");
            reads.run("kexecfs-sock kexecfs.sock open rw file true").failWith("EROFS");
            // Not as root: it passes the permission bits of the memory.
            reads.runAs(USER, "kexecfs-sock kexecfs.sock open r file sh -c 'echo 2 >>/proc/self/fd/3'")
                    .failWith(EACCES);
        } finally {
            reads.stop();
        }
        assertEquals("1", host.sh("cat web/file"));
    }

    @Test
    void aDirectoryOfASessionIsNoMore() {
        host.sh("mkdir -m 777 web/dir && echo 1 >web/dir/in && echo 2 >web/out");
        Box inside = new Box().session(session.resolve("dir"));
        try {
            inside.start();

            assertEquals("in", inside.sh("ls -A"));
            assertEquals(inside.sh("ls -A /"), inside.sh("ls -A .."));
            inside.run("do-ioctl prepare .").failWith("Inappropriate ioctl");
            inside.run("echo 3 x >kexecfs.preserve").failWith(EPERM);
        } finally {
            inside.stop();
        }
    }

    @Test
    void aSetUidProgramInTheSession() {
        String start = " kexecfs.state updated >/dev/null 2>&1 &"
                + " until [ \"$(cat /proc/$!/comm)\" = program ]; do :; done; " + IDS.formatted("$!");
        usual.sh("cp /bin/await-state program && cp program /tmp/ && chmod 4755 program /tmp/program");

        assertEquals("1234 0", usual.runAs(USER, "/tmp/program" + start).succeed());
        assertEquals("1234 1234", usual.runAs(USER, "./program" + start).succeed());
    }

    @Test
    void unmounting() {
        box.run("cd / && umount /session").failWith(EPERM);
        usual.run("cd / && umount /session").failWith(EPERM);
        Box admin = new Box().session(session).host(config -> config.withCapAdd(Capability.SYS_ADMIN));
        try {
            admin.start();
            admin.sh("cd / && umount -l /session && ! test -e /session/kexecfs.state");
        } finally {
            admin.stop();
        }
        assertEquals("normal", sibling.sh("cat kexecfs.state"));
    }
}
