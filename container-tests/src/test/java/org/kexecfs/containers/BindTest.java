package org.kexecfs.containers;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.github.dockerjava.api.model.Bind;
import java.util.Arrays;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestInstance.Lifecycle;

/** {@code kexecfs bind}: a container gets a session while it runs. */
@WithEngine
@TestInstance(Lifecycle.PER_CLASS)
class BindTest {
    private static final int BUSY = 4;
    private static final int USER = 1234;

    private final Host host = new Host();
    private Box box;
    private String id;

    @BeforeAll
    void start() {
        host.mount("web", "uid=" + USER);
        host.sh("echo hello >web/file && mkdir volume && mount --bind volume volume && mount --make-shared volume"
                + " && mkdir volume/covered");
        // Without a session: /session is a directory of its image.
        box = host.start(new Box()
                .lockedDown(USER)
                .withCreateContainerCmdModifier(create ->
                        create.getHostConfig().withBinds(Bind.parse(host.path("volume") + ":/volume:rw,rshared"))));
        id = box.getContainerId();
    }

    @AfterEach
    void unbind() {
        host.sh("while d=$(awk '$(NF - 2) ~ /kexecfs/ { print $5 }' /proc/" + pid() + "/mountinfo) && [ -n \"$d\" ]; do"
                + " nsenter -t " + pid() + " -m /bin/umount $d; done");
    }

    @AfterAll
    void end() {
        host.run("umount volume");
        host.close();
    }

    private long pid() {
        return box.getCurrentContainerInfo().getState().getPidLong();
    }

    /** The places in the container where sessions are mounted. */
    private String bound() {
        return box.sh("awk '$(NF - 2) ~ /kexecfs/ { print $5 }' /proc/self/mountinfo");
    }

    @Test
    void aContainerThatRunsGetsASession() {
        long before = pid();

        host.sh("kexecfs bind ./web --into " + id + ":/session");

        assertEquals("hello", box.sh("cat file"));
        box.sh(
                "with-memfd from_inside rw ln kexecfs.fd/self/3 linked && with-memfd x rw kexecfs-sock kexecfs.sock preserve s");
        assertEquals("from_inside", host.sh("cat web/linked"));
        assertEquals(before, pid(), "the container was restarted");
    }

    @Test
    void itIsFoundByNameAndBySomeOfItsIdAndByProcess() {
        String name = box.getContainerName().substring(1);

        for (String whose : Arrays.asList(name, id.substring(0, 12), Long.toString(pid()))) {
            host.sh("kexecfs bind ./web --into " + whose + ":/session");
            assertEquals("hello", box.sh("cat file"), whose);
            unbind();
        }
    }

    @Test
    void aSessionIsMeantByItsNameToo() {
        // Others may have a session of any usual name.
        String name = "bind" + ProcessHandle.current().pid();
        host.mount(name);

        host.sh("kexecfs bind " + name + " --into " + id + ":/session");

        assertEquals("1", box.sh("grep -c '^session " + name + "$' kexecfs.info"));
    }

    @Test
    void itIsReadOnlyIfTheMountHereIs() {
        host.sh("mkdir -p ro && mount --bind web ro && mount -o remount,bind,ro ro");

        host.sh("kexecfs bind ./ro --into " + id + ":/session && umount ro");

        assertEquals("hello", box.sh("cat file"));
        box.run("touch new").failWith("Read-only file system");
        box.run("with-memfd x rw kexecfs-sock kexecfs.sock preserve s").failWith("EROFS");
    }

    @Test
    void aContainerWithAUserNamespaceGetsOneToo() {
        host.mount("shifted", "uid=100000");
        host.mount("first", "uid=100000");
        Bundle bundle = host.start("bundle", Bundle.root(host.path("root")), "first", 100_000);

        host.sh("kexecfs bind ./shifted --into " + bundle.pid() + ":/tmp");

        bundle.sh("echo 1 >/tmp/file");
        assertEquals("100000", host.sh("stat -c %u shifted/file"));
        bundle.run("echo 1 >/tmp/kexecfs.prepare").failWith("Permission denied");
    }

    @Test
    void linksOfTheContainerDoNotLeadOut() {
        box.sh(
                "ln -sfn /session /tmp/absolute && ln -sfn ../../../../../../session /tmp/dots && ln -sfn /proc/1/root/session /tmp/magic");

        for (String link : new String[] {"/tmp/absolute", "/tmp/dots", "/tmp/../../../session"}) {
            host.sh("kexecfs bind ./web --into " + id + ":" + link);
            assertEquals("/session", bound(), link);
            unbind();
        }
        host.run("kexecfs bind ./web --into " + id + ":/tmp/magic").failWith("ELOOP");
        assertEquals("", bound());
        assertTrue(host.run("grep ' /session ' /proc/self/mountinfo").exit() != 0);
    }

    @Test
    void aLinkIntoAVolumeThatIsSharedWithTheHostIsRefused() {
        box.sh("ln -sfn /volume/covered /tmp/volume");

        host.run("kexecfs bind ./web --into " + id + ":/tmp/volume").failWith("shared with this host");

        assertEquals("", bound());
        assertEquals("", host.sh("ls -A volume/covered"));
    }

    @Test
    void whatCannotBeIsToldAndLeavesNothing() {
        host.run("kexecfs bind ./web --into no-such:/session").failWith("no container no-such");
        host.run("kexecfs bind ./web --into " + id + ":/none").failWith("the directory must exist there");
        host.run("kexecfs bind ./web --into " + id + ":/bin/busybox").failWith("ENOTDIR");
        host.run("kexecfs bind no-such-session --into " + id + ":/session").failWith("kexecfs status");
        host.run("kexecfs bind ./web --into 4194303:/session").failWith("no process 4194303");
        host.run("env DOCKER_HOST=unix:///none kexecfs bind ./web --into x:/session")
                .failWith("unix:///none");
        host.run("env DOCKER_HOST=tcp://far:1 kexecfs bind ./web --into x:/session")
                .failWith("not on this machine");
        host.run("setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin kexecfs bind ./web --into " + id
                        + ":/session")
                .failWith("EPERM");
        assertEquals("", bound());
    }

    @Test
    void whereSomethingIsMountedItIsBusy() {
        host.sh("kexecfs bind ./web --into " + id + ":/session");

        for (String path : new String[] {"/session", "/"}) {
            Command again = host.run("kexecfs bind ./web --into " + id + ":" + path);
            again.failWith("EBUSY");
            assertEquals(BUSY, again.exit(), path);
        }
        assertEquals("/session", bound());
    }

    @Test
    void aContainerThatEndedIsToldOf() {
        Box ended = new Box();
        ended.start();
        String name = ended.getContainerId();
        ended.getDockerClient().killContainerCmd(name).exec();
        try {
            host.run("kexecfs bind ./web --into " + name + ":/session").failWith("does not run");
        } finally {
            ended.stop();
        }
    }

    @Test
    void aPodmanContainerIsFound() {
        host.sh("mkdir -p fake && printf '#!/bin/sh\\nshift 4; [ \"$*\" = \"-- pod\" ] && echo " + pid()
                + " || { echo no such container; exit 125; }\\n' >fake/podman && chmod 755 fake/podman");
        String fake = "PATH=$PWD/fake:$PATH kexecfs bind ./web --into ";

        host.sh(fake + "pod:/session");
        assertEquals("hello", box.sh("cat file"));
        host.run(fake + "other:/session").failWith("podman has none");
    }
}
