package org.kexecfs.tool;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.kexecfs.mount.MountTable;
import org.kexecfs.mount.MountTable.MountedSession;
import org.kexecfs.posix.Fd;

/** The packaged commands over the emulation, from mount to umount. Needs root and /dev/fuse. */
class CycleIT {
    @TempDir
    private Path work;

    private Image image;
    private Path mount;

    @BeforeEach
    void makeMountPoint() throws IOException {
        image = new Image(work);
        mount = Files.createDirectory(work.resolve("mnt"));
    }

    @AfterEach
    void unmountWhatIsLeft() throws Exception {
        for (MountedSession left : MountTable.read().reversed()) {
            if (left.directory().startsWith(work)) {
                // It waits for the server, which would otherwise still write to the directory that is being deleted.
                image.run("kexecfs umount '" + left.directory() + "' || umount --lazy '" + left.directory() + "'");
            }
        }
        image.stopDaemon();
    }

    @Test
    void filesSurviveAnEmulatedKexec() throws Exception {
        image.sh("mount.kexecfs web mnt -o emulate=luo");
        try (Fd memfd = Fd.memfd("test")) {
            memfd.pwrite(Fd.utf8("before"), 0);
            Files.createLink(mount.resolve("linked"), mount.resolve("kexecfs.fd/self/" + memfd.number()));
            memfd.pwrite(Fd.utf8("and after"), 6);
        }
        image.sh("cp /etc/passwd mnt/copied && chmod 640 mnt/copied && chown 7:8 mnt/copied");
        String before = image.sh("cd mnt && sha256sum copied linked && stat -c '%n %s %a %u %g %Y' copied linked");
        image.sh("echo 1 >mnt/kexecfs.prepare");
        assertEquals("prepared\n", image.sh("cat mnt/kexecfs.state"));

        assertEquals("kexec emulated; handed over: web\n", image.sh("kexecfs kexec --emulate luo"));
        assertTrue(MountTable.at(mount).isEmpty(), "the mount outlived its server");

        image.sh("mount.kexecfs web mnt -o emulate=luo");
        assertEquals("updated\n", image.sh("cat mnt/kexecfs.state"));
        assertEquals(
                before, image.sh("cd mnt && sha256sum copied linked && stat -c '%n %s %a %u %g %Y' copied linked"));
        image.sh("echo 1 >mnt/kexecfs.finish");
        assertEquals("normal\n", image.sh("cat mnt/kexecfs.state"));
        image.sh("kexecfs umount mnt/");
        assertTrue(MountTable.at(mount).isEmpty());
    }

    @Test
    void aSessionIsMountedAgainAsSoonAsItIsUnmounted() throws Exception {
        for (int round = 0; round < 3; round++) {
            image.sh("mount.kexecfs again mnt -o emulate=luo && echo 1 >mnt/file && kexecfs umount mnt/");
        }
    }

    @Test
    void statusAndLsTellWhatIsThere() throws Exception {
        image.sh("mount.kexecfs 'a b' mnt -o emulate=luo && printf 12345 >mnt/five");

        String status = image.sh("kexecfs status --json 'a b'");
        String files = image.sh("kexecfs ls --json mnt/");

        assertAll(
                () -> assertTrue(status.contains("\"session\" : \"a b\""), status),
                () -> assertTrue(status.contains("\"directory\" : \"" + mount + "\""), status),
                () -> assertTrue(status.contains("\"state\" : \"normal\""), status),
                () -> assertTrue(status.contains("\"entries\" : 1,"), status),
                () -> assertTrue(status.contains("\"bytes\" : 5\n"), status),
                () -> assertTrue(status.contains("\"backend\" : \"emulated " + work.resolve("luo")), status),
                () -> assertTrue(files.contains("\"name\" : \"five\""), files),
                () -> assertTrue(files.contains("\"size\" : 5,"), files),
                () -> assertEquals(
                        Exit.OK, image.run("kexecfs ls 'a b' | grep -q five").exit()));
    }

    @Test
    void whatMovesASessionOnTellsItAsJson() throws Exception {
        image.sh("mount.kexecfs 'a b' mnt -o emulate=luo && echo x >mnt/file");

        String told = image.sh("""
                kexecfs prepare --json 'a b' && kexecfs cancel --json mnt/ && kexecfs prepare 'a b' >/dev/null
                kexecfs kexec --json --emulate luo && mount.kexecfs 'a b' mnt -o emulate=luo && kexecfs finish --json mnt/
                """);

        String object =
                "[ {\n  \"session\" : \"a b\",\n  \"directory\" : \"" + mount + "\",\n  \"state\" : \"%s\"\n} ]\n";
        assertEquals(
                object.formatted("prepared")
                        + object.formatted("normal")
                        + "[ {\n  \"session\" : \"a b\"\n} ]\n"
                        + object.formatted("normal"),
                told);
    }

    @Test
    void umountOfASessionTakesItsBindMountsToo() throws Exception {
        image.sh("mkdir bound && mount.kexecfs bind mnt -o emulate=luo && mount --bind mnt bound");
        assertEquals(mount, MountTable.ofSession("bind").getFirst().directory());

        image.sh("kexecfs umount bind");

        assertTrue(MountTable.ofSession("bind").isEmpty());
    }

    @Test
    void aNameThatTwoSessionsHave_meansNeither() throws Exception {
        image.sh("mkdir second && mount.kexecfs twin mnt -o emulate=luo && mount.kexecfs twin second -o emulate=luo2");

        Image.Result result = image.run("kexecfs umount twin");

        assertEquals(Exit.USAGE, result.exit(), result.output());
        assertTrue(result.output().contains(mount + ", " + work.resolve("second")), result.output());
        assertEquals(2, MountTable.ofSession("twin").size());
        image.sh("kexecfs umount second/ && kexecfs umount twin");
    }

    @Test
    void withoutLibfuseAMountSaysWhatToInstall() throws Exception {
        Image.Result result = image.run("""
                unshare -m sh -c '
                    library=$(ldconfig -p | sed -n "s/.*libfuse\\.so\\.2 .* => //p" | head -n 1)
                    mount --bind /dev/null "$(readlink -f "$library")" && kexecfs mount -f -o emulate=luo web mnt'
                """);

        assertEquals(Exit.FAILED, result.exit(), result.output());
        assertTrue(result.output().contains("libfuse2"), result.output());
        assertTrue(result.output().contains("ENOENT"), result.output());
    }

    @Test
    void withoutFuseInTheKernelAMountSaysSo() throws Exception {
        Image.Result result = image.run("""
                unshare -m sh -c '
                    mount -t tmpfs none /dev && mknod /dev/null c 1 3 && mknod /dev/zero c 1 5 &&
                        mknod /dev/random c 1 8 && mknod /dev/urandom c 1 9 && kexecfs mount -f -o emulate=luo web mnt'
                """);

        assertEquals(Exit.FAILED, result.exit(), result.output());
        assertTrue(result.output().contains("modprobe fuse"), result.output());
        assertTrue(result.output().contains("open(/dev/fuse): ENOENT"), result.output());
    }

    @Test
    void aMountInUseIsBusyAndSaysHowToFindTheUser() throws Exception {
        image.sh("mount.kexecfs busy mnt -o emulate=luo");

        Image.Result result = image.run("cd mnt && kexecfs umount busy");

        assertEquals(Exit.BUSY, result.exit(), result.output());
        assertTrue(result.output().contains("EBUSY"), result.output());
        assertTrue(result.output().contains("fuser -vm " + mount), result.output());
    }

    @Test
    void aSecondMountIsRefusedAndSaysWhereTheFirstIs() throws Exception {
        image.sh("mkdir second && mount.kexecfs one mnt -o emulate=luo");

        Image.Result helper = image.run("mount.kexecfs one second -o emulate=luo");
        Image.Result tool = image.run("kexecfs mount -o emulate=luo one second");

        assertAll(
                () -> assertEquals(32, helper.exit(), helper.output()),
                () -> assertTrue(helper.output().contains(mount.toString()), helper.output()),
                () -> assertEquals(Exit.BUSY, tool.exit(), tool.output()));
    }

    @Test
    void theHelperHasMountsExitCodes() throws Exception {
        assertAll(
                () -> assertEquals(1, image.run("mount.kexecfs").exit()),
                () -> assertEquals(1, image.run("mount.kexecfs web").exit()),
                () -> assertEquals(1, image.run("mount.kexecfs web mnt more").exit()),
                () -> assertEquals(1, image.run("mount.kexecfs web mnt -q").exit()),
                () -> assertEquals(1, image.run("mount.kexecfs we/b mnt").exit()),
                () -> assertEquals(
                        1, image.run("mount.kexecfs web mnt -o private").exit()),
                () -> assertEquals(
                        32, image.run("mount.kexecfs web none -o emulate=luo").exit()),
                () -> assertEquals(32, image.run("mount.kexecfs web mnt -o fly").exit()),
                () -> assertEquals(
                        32, image.run("mount.kexecfs web mnt -o device=/none").exit()),
                () -> assertEquals(0, image.run("mount.kexecfs web mnt -f").exit()));
        assertTrue(MountTable.at(mount).isEmpty());
    }

    @Test
    void theForegroundServerUnmountsWhenItIsTold() throws Exception {
        // The pipe brings the server's answer; the signal its end.
        image.sh(
                "{ kexecfs mount -f --ready-fd 3 -o emulate=luo told mnt 3>&1 >server.log 2>&1 & echo $! >server.pid; } | read a;"
                        + " [ \"$a\" != 1 ] && mountpoint -q mnt && kill $(cat server.pid)"
                        + " && tail --pid=$(cat server.pid) -f /dev/null");

        assertTrue(MountTable.at(mount).isEmpty());
    }

    @Test
    void aDeadMountIsSeenAndClearedAway() throws Exception {
        image.startLonelyDaemon();
        image.sh("mount.kexecfs lost mnt -o emulate=luo");
        image.sh("kill -9 $(cat run/kexecfsd.pid)");

        awaitDead();
        assertTrue(image.sh("kexecfs status lost").contains("dead"));
        assertFalse(image.run("kexecfs ls lost").output().contains("at org."));
        image.sh("kexecfs umount lost");
        assertTrue(MountTable.at(mount).isEmpty());
    }

    @Test
    void whatAKilledDaemonHadMounted_isMountedAgainByHeal() throws Exception {
        image.startLonelyDaemon();
        image.sh("mount.kexecfs kept mnt -o emulate=luo && echo bytes >mnt/file && kill -9 $(cat run/kexecfsd.pid)");
        awaitDead();

        image.sh("kexecfs heal");

        assertEquals("bytes\n", image.sh("cat mnt/file"));
        image.sh("kexecfs umount kept");
    }

    @Test
    void aSessionThatIsUnmountedAfterItsDaemonWasKilled_hasEnded() throws Exception {
        image.startLonelyDaemon();
        image.sh("mount.kexecfs gone mnt -o emulate=luo && echo bytes >mnt/file && kill -9 $(cat run/kexecfsd.pid)");
        awaitDead();

        image.sh("kexecfs umount gone && mount.kexecfs gone mnt -o emulate=luo");

        assertEquals("entries 0\n", image.sh("grep entries mnt/kexecfs.info"));
        image.sh("kexecfs umount gone");
    }

    /** The kernel tells of it with the first use after the server's last thread: there is nothing else to wait for. */
    private void awaitDead() throws Exception {
        image.sh("until ls mnt 2>&1 | grep -q 'ndpoint is not connected'; do :; done");
    }

    @Test
    void namesBeyondAsciiWorkInAnyLocale() throws Exception {
        image.sh("export LC_ALL=C; mkdir 'm ü' && mount.kexecfs sitzüng 'm ü' -o emulate=luo && echo 1 >'m ü/dätei'");

        assertTrue(image.sh("LC_ALL=C kexecfs ls sitzüng").contains("dätei"));
        image.sh("LC_ALL=C kexecfs umount 'm ü'");
    }

    @Test
    void theImageWorksWhereverItIsCopied() throws Exception {
        image.sh(
                "cp -a \"$(dirname \"$(dirname \"$(readlink -f \"$(command -v kexecfs)\")\")\")\" copy && ln -s copy/bin/kexecfs k");

        // With -XX:AOTMode=on the JVM refuses to start without its cache.
        assertTrue(image.sh("KEXECFS_JAVA_OPTS=-XX:AOTMode=on ./k --version").startsWith("kexecfs "));
    }

    @Test
    void theDemoPassesAndLeavesNothing() throws Exception {
        String output = image.sh(
                "mkdir tmp && TMPDIR=$PWD/tmp KEXECFS_JAVA_OPTS=-Djava.io.tmpdir=$PWD/tmp kexecfs demo --emulate");

        assertAll(
                () -> assertTrue(output.contains("linked: OK"), output),
                () -> assertTrue(output.contains("copied: OK"), output),
                () -> assertEquals("", image.sh("ls -A tmp")));
    }
}
