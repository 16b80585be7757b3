package org.kexecfs.tool;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.kexecfs.mount.MountTable;

/** kexecfsd as packaged, and the commands that start it and ask it. Needs root and /dev/fuse. */
class DaemonIT {
    @TempDir
    private Path work;

    private Image image;

    @BeforeEach
    void makeMountPoints() throws Exception {
        image = new Image(work);
        image.sh("mkdir one two three");
    }

    @AfterEach
    void stop() throws Exception {
        image.stopDaemon();
        assertEquals(0, mounts(), "the daemon left a mount");
    }

    private long mounts() {
        return MountTable.read().stream()
                .filter(m -> m.directory().startsWith(work))
                .count();
    }

    private String daemon() throws Exception {
        return image.sh("cat run/kexecfsd.pid");
    }

    @Test
    void oneProcessServesAll_andAnUnmountEndsOneSession() throws Exception {
        image.sh("kexecfs mount -o emulate=luo one one && mount.kexecfs two two -o emulate=luo");
        String daemon = daemon();
        image.sh("echo 1 >one/a; echo 2 >two/a; kexecfs umount one && mount.kexecfs one one -o emulate=luo");

        assertAll(
                () -> assertEquals(daemon, daemon()),
                () -> assertEquals("2\n", image.sh("cat two/a")),
                () -> assertEquals("0\n", image.sh("ls one | grep -cv '^kexecfs' || true"), "the session did not end"));
    }

    @Test
    void ofClientsAtOnceOneStartsTheDaemon() throws Exception {
        image.sh("for i in one two three; do kexecfs mount -o emulate=luo $i $i & done; wait");

        assertEquals(3, mounts());
        assertEquals("1\n", image.sh("grep -c 'kexecfsd listens' run/kexecfsd.log"));
    }

    @Test
    void aSecondDaemonIsRefused() throws Exception {
        image.sh("kexecfs mount -o emulate=luo one one");

        Image.Result second = image.run("kexecfsd");

        assertEquals(Exit.BUSY, second.exit(), second.output());
        assertTrue(second.output().contains("process " + daemon().strip()), second.output());
    }

    @Test
    void anIdleDaemonEnds_andTheNextMountStartsAnother() throws Exception {
        image.sh("kexecfsd --idle 1 >log 2>&1 & exec flock log true");
        image.sh("kexecfs mount -o emulate=luo one one");
        String first = daemon();
        image.sh("kexecfs umount one && flock run/kexecfsd.pid true");

        image.sh("kexecfs mount -o emulate=luo one one");

        assertNotEquals(first, daemon());
    }

    @Test
    void toldToEnd_allSessionsEnd() throws Exception {
        image.sh("for i in one two three; do kexecfs mount -o emulate=luo $i $i && echo 1 >$i/a; done");
        image.stopDaemon();

        assertEquals(0, mounts());
        assertEquals("", image.sh("ls luo/mounted"));
        assertTrue(Files.notExists(image.runtime().resolve("kexecfsd.sock")));
    }

    @Test
    void whatFailsHasTheExitCodeAndTheWordsOfTheDaemon() throws Exception {
        image.sh("kexecfs mount -o emulate=luo one one");

        Image.Result mounted = image.run("kexecfs mount -o emulate=luo one two");
        Image.Result none = image.run("kexecfs mount -o emulate=luo two none");
        Image.Result option = image.run("kexecfs mount -o fly two two");

        assertAll(
                () -> assertEquals(Exit.BUSY, mounted.exit(), mounted.output()),
                () -> assertTrue(mounted.output().contains(work.resolve("one").toString()), mounted.output()),
                () -> assertEquals(Exit.FAILED, none.exit(), none.output()),
                () -> assertTrue(none.output().contains("ENOENT"), none.output()),
                () -> assertEquals(Exit.FAILED, option.exit(), option.output()),
                () -> assertTrue(option.output().contains("fly"), option.output()));
    }

    @Test
    void whoIsInAnotherMountNamespaceIsToldWhatToDo() throws Exception {
        image.sh("kexecfs mount -o emulate=luo one one");

        Image.Result elsewhere = image.run("unshare -m kexecfs mount -o emulate=luo two two");

        assertEquals(Exit.FAILED, elsewhere.exit(), elsewhere.output());
        assertTrue(elsewhere.output().contains("kexecfs mount -f"), elsewhere.output());
    }
}
