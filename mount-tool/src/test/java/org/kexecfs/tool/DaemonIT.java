package org.kexecfs.tool;

import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
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
    void whatStartsTheDaemonSaysNothing() throws Exception {
        assertEquals("", image.sh("kexecfs mount -o emulate=luo one one"));
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
    void whoMeetsADaemonThatIsAboutToEnd_startsTheNext() throws Exception {
        Files.createDirectory(image.runtime());
        Path socket = image.runtime().resolve("kexecfsd.sock");
        try (ServerSocketChannel ending = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            ending.bind(UnixDomainSocketAddress.of(socket));
            Process mount = image.start("kexecfs mount -o emulate=luo one one");
            SocketChannel client = ending.accept();
            Files.delete(socket);
            client.close();

            assertEquals(Exit.OK, mount.waitFor());
        }
        assertEquals(1, mounts());
    }

    @Test
    void killed_itIsStartedAgainByItsKeeper_andServesWhatItServed() throws Exception {
        image.sh("kexecfs mount -o emulate=luo one one && echo 1 >one/a && kexecfs mount -o emulate=luo two two");
        String killed = daemon();
        image.sh("kill -KILL $(cat run/kexecfsd.pid)");

        await().atMost(Duration.ofSeconds(60)).until(() -> Files.isReadable(work.resolve("two/kexecfs.state")));

        assertEquals("1\n", image.sh("cat one/a"));
        assertNotEquals(killed, daemon());
        assertEquals("2\n", image.sh("grep -c 'kexecfsd listens' run/kexecfsd.log"));
    }

    @Test
    void whoAsksAKilledDaemonIsServed_whoeverStartsTheNext() throws Exception {
        image.sh("kexecfs mount -o emulate=luo one one && echo 1 >one/a");

        image.sh(
                "kill -KILL $(cat run/kexecfsd.pid); kexecfs heal && cat one/a && kexecfs mount -o emulate=luo two two");

        assertEquals(2, mounts());
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

    @Test
    void anEmulatedKexecEndsItsOwnMountsOnly() throws Exception {
        image.sh("kexecfs mount -o emulate=luo one one && kexecfs mount -o emulate=other two two && echo 1 >one/a");
        String processes = image.sh("cat run/kexecfsd.pid run/keeper.lock");
        image.sh("echo 2 >two/a && kexecfs prepare one && kexecfs kexec --emulate luo");

        assertAll(
                () -> assertEquals(
                        processes, image.sh("cat run/kexecfsd.pid run/keeper.lock; kill -0 $(cat run/keeper.lock)")),
                () -> assertEquals(1, mounts()),
                () -> assertEquals("2\n", image.sh("cat two/a")),
                () -> assertEquals("1\n", image.sh("kexecfs mount -o emulate=luo one one && cat one/a")));
    }

    /** A script where none but its own sessions are mounted: in a mount namespace of its own, with a daemon in it. */
    private Image.Result alone(String script) throws Exception {
        Files.writeString(work.resolve("alone.sh"), """
                set -e
                awk '$3 == "fuse.kexecfs" { print $2 }' /proc/mounts | tac | while read -r other; do
                    umount -l "$(printf '%b' "$other")"
                done
                """ + script);
        return image.run("unshare -m sh alone.sh");
    }

    @Test
    void allSessionsArePreparedCancelledAndFinishedByOneCommandEach() throws Exception {
        Image.Result all = alone("""
                for i in one two three; do kexecfs mount -o emulate=luo $i $i; echo 1 >$i/a; done
                kexecfs prepare --all; cat */kexecfs.state
                kexecfs cancel one
                kexecfs cancel --all; cat */kexecfs.state
                kexecfs prepare --all; kexecfs kexec --emulate luo
                for i in one two three; do kexecfs mount -o emulate=luo $i $i; done
                kexecfs finish --all; cat */kexecfs.state
                """);

        assertEquals("""
                one: prepared
                two: prepared
                three: prepared
                prepared
                prepared
                prepared
                one: normal
                two: normal
                three: normal
                normal
                normal
                normal
                one: prepared
                two: prepared
                three: prepared
                kexec emulated; handed over: one, three, two
                one: normal
                two: normal
                three: normal
                normal
                normal
                normal
                """, all.output());
        assertEquals(Exit.OK, all.exit());
    }

    @Test
    void aSessionThatDoesNotAnswerIsNamed_andTheOthersGoOn() throws Exception {
        Image.Result all = alone("""
                kexecfs mount -o emulate=luo one one
                { kexecfs mount -f --ready-fd 3 -o emulate=luo two two 3>&1 >/dev/null 2>&1 & echo $! >pid; } | read ready
                kill -STOP $(cat pid)
                timeout -s KILL 30 kexecfs prepare --all || echo $?
                kill -CONT $(cat pid); kexecfs umount one; kexecfs umount two
                """);

        assertTrue(all.output().contains("one: prepared\n"), all.output());
        assertTrue(all.output().contains("two at " + work.resolve("two") + " does not answer: "), all.output());
        assertTrue(all.output().contains("1 of 2 sessions failed\n1\n"), all.output());
    }

    @Test
    void aSessionThatFailsIsNamed_andTheOthersGoOn() throws Exception {
        Image.Result all = alone("""
                for i in one two; do kexecfs mount -o emulate=luo $i $i; echo 1 >$i/a; done
                kexecfs prepare two; kexecfs kexec --emulate luo
                for i in one two three; do kexecfs mount -o emulate=luo $i $i; done
                cat */kexecfs.state
                exec kexecfs prepare --all
                """);

        assertEquals(Exit.BUSY, all.exit(), all.output());
        assertTrue(all.output().contains("updated\none: prepared\nthree: prepared\n"), all.output());
        assertTrue(all.output().contains("two at " + work.resolve("two")), all.output());
        assertTrue(all.output().contains("EBUSY"), all.output());
        assertTrue(all.output().contains("1 of 3 sessions failed"), all.output());
    }

    @Test
    void ifAFileIsUnclaimed_strictRefusesToFinish() throws Exception {
        image.sh("kexecfs mount -o emulate=luo one one && echo 1 >one/a && kexecfs prepare one");
        image.sh("kexecfs kexec --emulate luo && kexecfs mount -o emulate=luo one one");

        Image.Result strict = image.run("kexecfs finish --strict one");

        assertEquals(Exit.BUSY, strict.exit(), strict.output());
        assertTrue(strict.output().contains("EBUSY"), strict.output());
        assertEquals("one: normal\n", image.sh("kexecfs finish one/ --release"));
        assertEquals("", image.sh("ls one | grep -v kexecfs || true"));
    }

    @Test
    void whatAnUnmountWouldLoseIsAskedForTwice() throws Exception {
        image.sh("kexecfs mount -o emulate=luo one one && echo 1 >one/a && kexecfs prepare one");
        Image.Result prepared = image.run("kexecfs umount one");
        image.sh("kexecfs kexec --emulate luo && kexecfs mount -o emulate=luo one one");
        Image.Result unclaimed = image.run("kexecfs umount one");
        image.sh("cat one/a && kexecfs umount one");
        image.sh("kexecfs mount -o emulate=luo one one && kexecfs prepare one && kexecfs umount --force one");

        assertAll(
                () -> assertEquals(Exit.BUSY, prepared.exit(), prepared.output()),
                () -> assertTrue(prepared.output().contains("--force"), prepared.output()),
                () -> assertEquals(Exit.BUSY, unclaimed.exit(), unclaimed.output()),
                () -> assertTrue(unclaimed.output().contains("1 restored file"), unclaimed.output()),
                () -> assertEquals(0, mounts()));
    }
}
