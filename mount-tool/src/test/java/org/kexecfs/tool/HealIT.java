package org.kexecfs.tool;

import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.kexecfs.keep.Keep;

/** What becomes of mounts, and of bind mounts of them, whose kexecfsd was killed. Needs root and /dev/fuse. */
class HealIT {
    @TempDir
    private Path work;

    private Image image;

    @BeforeEach
    void mount() throws Exception {
        image = new Image(work);
        image.startLonelyDaemon();
        image.sh("mkdir web bind && kexecfs mount -o emulate=luo web web && mkdir web/d && echo bytes >web/d/file");
    }

    @AfterEach
    void stop() throws Exception {
        image.run("[ ! -e pid ] || kill $(cat pid); for m in bind/* bind; do umount -l $m; done");
        image.stopDaemon();
    }

    private void killDaemon() throws Exception {
        image.sh(
                "kill -KILL $(cat run/kexecfsd.pid); until cat web/kexecfs.state 2>&1 | grep -q connected; do :; done");
    }

    private void heal() throws Exception {
        image.sh("kexecfs heal");
    }

    /** Somebody with a mount namespace of its own; {@code set} is run in there first. */
    private void another(String set) throws Exception {
        image.sh("setsid unshare -m sh -c 'set -e; " + set + "; echo $$ >pid; exec sleep 300' >log 2>&1 </dev/null &"
                + " until [ -s pid ] || ! kill -0 $!; do :; done; cat log; [ -s pid ]");
    }

    private String inside(String command) throws Exception {
        return image.sh("nsenter -m -t $(cat pid) -w sh -c '" + command + "'");
    }

    @Test
    void aBindMountShowsTheHealedSession() throws Exception {
        image.sh("mount --bind web bind && mount --make-private bind");
        killDaemon();
        heal();

        assertEquals("bytes\n", image.sh("cat bind/d/file"));
        assertEquals("new\n", image.sh("echo new >bind/new && cat web/new"));
        assertEquals("1\n", image.sh("grep -c \" $(realpath bind) \" /proc/self/mountinfo"));
    }

    /** It asks its own mount, to make the control socket there: whoever waits for an answer then must not keep it from its end. */
    @Test
    void killedAtWhateverMomentOfAHeal_itLeavesNoMountThatHangs() throws Exception {
        image.sh("mount --bind web bind && mount --make-private bind");

        image.sh("for i in $(seq 20); do"
                + " pid=$(cat run/kexecfsd.pid); kill -KILL $pid; kexecfs heal >>log 2>&1 &"
                + " until [ \"$(cat run/kexecfsd.pid)\" != $pid ]; do :; done;"
                + " sleep 0.$(printf %02d $i); done");

        assertNotEquals(124, image.run("timeout 60 kexecfs heal").exit());
        assertEquals("bytes\n", image.sh("timeout 10 cat web/d/file"));
        assertEquals("bytes\n", image.sh("timeout 10 cat bind/d/file"));
        assertEquals("2\n", image.sh("grep -cE \" $(pwd -P)/(web|bind) \" /proc/self/mountinfo"));
    }

    @Test
    void bindMountsOfADirectoryAndOfAFileAreOfTheSame_andReadOnlyIfTheyWere() throws Exception {
        image.sh("mkdir bind/d && touch bind/f && mount --bind web/d bind/d && mount --bind web/d/file bind/f"
                + " && mount -o remount,bind,ro,noexec bind/d");
        killDaemon();
        heal();

        assertAll(
                () -> assertEquals("bytes\n", image.sh("cat bind/d/file")),
                () -> assertEquals("bytes\n", image.sh("cat bind/f")),
                () -> assertNotEquals(0, image.run("touch bind/d/new").exit()),
                () -> assertTrue(image.sh("grep \" $(realpath bind/d) \" /proc/self/mountinfo")
                        .contains("noexec")));
    }

    @Test
    void aBindMountInTheMountNamespaceOfARunningProcessShowsTheHealedSession() throws Exception {
        another("mount --bind web bind; umount web");
        killDaemon();
        heal();

        assertEquals("bytes\n", inside("cat bind/d/file"));
    }

    @Test
    void aMountNamespaceThatFollowsByPropagationIsLeftToIt() throws Exception {
        image.sh("umount web && mount -t tmpfs shared bind && mount --make-shared bind && mkdir bind/web"
                + " && kexecfs mount -o emulate=luo web bind/web && mkdir bind/web/d && echo bytes >bind/web/d/file");
        another("mount --make-rslave /");
        image.sh("kill -KILL $(cat run/kexecfsd.pid)");
        heal();

        assertEquals("bytes\n", inside("cat bind/web/d/file"));
        assertEquals("1\n", inside("grep -c \"bind/web \" /proc/self/mountinfo"));
    }

    @Test
    void whatWasMountedAboveABindMountStaysThere() throws Exception {
        another("mount --bind web bind; mount -t tmpfs above bind; touch bind/mine");
        killDaemon();
        heal();

        assertEquals("mine\n", inside("ls bind"));
    }

    @Test
    void afterTwoKillsBindMountsOfBothAreMadeAnew() throws Exception {
        image.sh("mount --bind web bind && mount --make-private bind");
        killDaemon();
        image.startLonelyDaemon();
        await().atMost(Duration.ofSeconds(30)).until(() -> Files.isReadable(work.resolve("web/kexecfs.state")));
        image.sh("kill -KILL $(cat run/kexecfsd.pid)");
        heal();

        assertEquals("bytes\n", image.sh("cat bind/d/file web/d/file | uniq"));
    }

    @Test
    void ofDaemonAndKeeperKilledAtOnce_nothingIsLost() throws Exception {
        image.sh("mount --bind web/d bind && kill -KILL $(cat run/keeper.lock) $(cat run/kexecfsd.pid)");
        heal();

        assertEquals("bytes\n", image.sh("cat bind/file web/d/file | uniq"));
        image.sh(
                "umount bind; kexecfs umount web; kill $(cat run/kexecfsd.pid); timeout 60 flock run/keeper.lock true");
    }

    @Test
    void ofDaemonKeeperAndShadowKilledAtOnce_theSessionIsLost_andWhatSomebodyHasMappedIsNot() throws Exception {
        MappedByteBuffer mapped;
        try (FileChannel file = FileChannel.open(work.resolve("web/d/file"), StandardOpenOption.READ)) {
            mapped = file.map(FileChannel.MapMode.READ_ONLY, 0, 5);
        }
        String keeper =
                Keep.processes(image.runtime()).stream().map(pid -> " " + pid).collect(Collectors.joining());
        // The last of them to be killed may do nothing about the others.
        image.sh("all=\"$(cat run/kexecfsd.pid)" + keeper + "\"; kill -STOP $all; kill -KILL $all");

        assertEquals("bytes", StandardCharsets.US_ASCII.decode(mapped).toString());
        Image.Result heal = image.run("kexecfs heal");
        assertNotEquals(0, heal.exit());
        assertTrue(heal.output().contains("session web is lost"), heal.output());
        image.sh("kexecfs mount -o emulate=luo web web");
        assertEquals("entries 0\n", image.sh("grep entries web/kexecfs.info"));
        assertEquals("normal\n", image.sh("cat web/kexecfs.state"));
    }

    @Test
    void whatWasUnmountedWhileNobodyServedIt_hasEnded() throws Exception {
        killDaemon();
        image.sh("umount web");
        heal();

        assertEquals("", image.sh("ls web"));
        image.sh("kexecfs mount -o emulate=luo web web");
        assertEquals("entries 0\n", image.sh("grep entries web/kexecfs.info"));
    }

    @Test
    void whatWasUnmountedHasEnded_thoughAnotherEmulationHasOneOfItsNameMounted() throws Exception {
        image.sh("mkdir other && kexecfs mount -o emulate=luo2 web other && echo other >other/file");
        killDaemon();
        image.sh("umount web");
        heal();

        assertEquals("", image.sh("ls web"));
        assertEquals("other\n", image.sh("cat other/file"));
    }

    @Test
    void whatWasUnmountedHereButIsMountedElsewhere_hasNotEnded() throws Exception {
        another("mount --bind web bind");
        killDaemon();
        image.sh("umount -l web");
        heal();

        assertEquals("bytes\n", image.sh("cat web/d/file"));
        assertEquals("bytes\n", inside("cat bind/d/file"));
    }

    @Test
    void whatWasUnmountedAndHadOpenFilesWhenItsDaemonWasKilled_hasEnded() throws Exception {
        image.sh("setsid sleep 300 <web/d/file >/dev/null 2>&1 & echo $! >pid");
        image.sh("umount -l web");
        // It is seen within milliseconds; kexecfs.sock is closed then, and with it a descriptor of the session's.
        await().atMost(Duration.ofSeconds(30))
                .until(() -> image.sh("ls -l /proc/$(cat run/keeper.lock)/fd").contains("memfd:unmounted"));
        image.sh("kill -KILL $(cat run/kexecfsd.pid)");
        heal();

        assertEquals("", image.sh("ls web"));
    }

    @Test
    void whatCannotBeMountedAgain_isTold_withTheCommandThatDoesIt() throws Exception {
        killDaemon();
        // Another mount namespace has it still: so it has not ended.
        another("mount --bind web bind");
        image.sh("umount -l web && rmdir web");

        Image.Result heal = image.run("kexecfs heal");
        assertEquals(1, heal.exit());
        Matcher told = Pattern.compile("'([^']*kexecfs mount [^']*)'").matcher(heal.output());
        assertTrue(told.find(), heal.output());
        image.sh("mkdir web && (cd / && " + told.group(1) + ") && kexecfs heal");
        assertEquals("bytes\n", image.sh("cat web/d/file"));
    }

    @Test
    void aLiveSessionOfTheSameNameBeneathADeadMountStaysWhereItIs_andTheNewOneIsPutOnTop() throws Exception {
        image.sh(
                "{ kexecfs mount -f --ready-fd 3 -o emulate=luo2 web web 3>&1 >log 2>&1 & echo $! >pid; } | grep -q 0");
        image.sh("kill -KILL $(cat pid); until cat web/kexecfs.state 2>&1 | grep -q connected; do :; done");

        image.sh("kexecfs mount -o emulate=luo3 web web && echo new >web/new");
        assertEquals("new\n", image.sh("cat web/new"));
        assertEquals("2\n", image.sh("grep -c \" $(realpath web) \" /proc/self/mountinfo"));
        image.sh("kexecfs umount web/");
        assertEquals("bytes\n", image.sh("cat web/d/file"));
    }

    /** It would have ended with the second kill, as what was unmounted meanwhile has: the first one's dead mount took its own along. */
    @Test
    void aSessionThatIsMountedInAnotherIsBackAfterEachKill() throws Exception {
        image.sh("mkdir web/in && kexecfs mount -o emulate=luo in web/in && echo deep >web/in/file");
        for (int i = 0; i < 2; i++) {
            image.sh("kill -KILL $(cat run/kexecfsd.pid); kexecfs heal");
            assertEquals("deep\nbytes\n", image.sh("cat web/in/file web/d/file"));
        }
        image.sh("kexecfs umount in");
    }

    @Test
    void whatWasMovedWithADirectoryAboveIsWhereItIsNow() throws Exception {
        image.sh("mkdir -p old/in && kexecfs mount -o emulate=luo in old/in && echo moved >old/in/file && mv old new");
        for (int i = 0; i < 2; i++) {
            image.sh("kill -KILL $(cat run/kexecfsd.pid); kexecfs heal");
            assertEquals("moved\n", image.sh("cat new/in/file"));
        }
        image.sh("kexecfs umount in && [ ! -e old ]");
    }
}
