package org.kexecfs.tool;

import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.kexecfs.posix.Fd;

/**
 * What can go wrong around a session, tried for real, with somebody at work in another session of the same kexecfsd: that one
 * notices nothing. Needs root and /dev/fuse. {@code -Dkexecfs.stopped=SECONDS} for longer stops.
 */
class FaultsIT {
    private static final int STOPPED = Integer.getInteger("kexecfs.stopped", 2);
    private static final Duration LONG = Duration.ofSeconds(90);

    @TempDir
    private Path work;

    private Image image;
    private Neighbour neighbour;

    @BeforeEach
    void makeMountPoints() throws Exception {
        image = new Image(work);
        image.sh("mkdir web other run && chmod 700 run");
    }

    @AfterEach
    void stop() throws Exception {
        try {
            endNeighbour();
        } finally {
            image.run("[ ! -e pid ] || kill $(cat pid); kill -CONT $(cat run/kexecfsd.pid run/keeper.lock)");
            image.stopDaemon();
            image.run("umount -l run");
        }
    }

    /** Both are mounted, each on an emulation of its own, and somebody is at work in the other, who may notice no fault. */
    private void mount() throws Exception {
        mountAndKill(0);
    }

    /** The same, with so many kills of kexecfsd to come. */
    private void mountAndKill(int kills) throws Exception {
        image.sh("kexecfs mount -o emulate=luo web web && kexecfs mount -o emulate=luo2 other other");
        neighbour = new Neighbour(work.resolve("other"), kills);
    }

    /** Also by a test that ends kexecfsd itself. */
    private void endNeighbour() throws Exception {
        if (neighbour != null) {
            Neighbour ended = neighbour;
            neighbour = null;
            ended.end();
        }
    }

    private void awaitServed(String mount) {
        await().atMost(LONG).until(() -> Files.isReadable(work.resolve(mount).resolve("kexecfs.state")));
    }

    @Test
    void toldToEndWhileAFileIsOpen_theSessionEndsForGood() throws Exception {
        image.sh("kexecfs mount -o emulate=luo web web && echo bytes >web/a");
        image.sh("setsid sleep 300 <web/a >/dev/null 2>&1 & echo $! >pid");
        image.sh("kill -TERM $(cat run/kexecfsd.pid) && flock run/kexecfsd.pid true && flock run/keeper.lock true");

        image.sh("kexecfs heal");
        assertEquals("", image.sh("ls web"));
        image.sh("kexecfs mount -o emulate=luo web web");
        assertEquals("entries 0\n", image.sh("grep entries web/kexecfs.info"));
    }

    @Test
    void whileTheDaemonIsStoppedItsCallersWait_andGoOn() throws Exception {
        mount();
        // All by one shell: a process that we started meanwhile would close what we have open in the mount, and wait
        // for that.
        image.sh("echo bytes >web/a && mkdir third && " + stopped("run/kexecfsd.pid") + ";"
                + " { echo more >>web/a && cat web/a >caller; } & { kexecfs mount -o emulate=luo third third && echo ok >client; } &"
                + " sleep " + STOPPED + "; [ -s caller ] || [ -s client ] || echo waited >waited;"
                + " kill -CONT $(cat run/kexecfsd.pid); wait");

        assertEquals("waited\nbytes\nmore\nok\n", image.sh("cat waited caller client"));
    }

    @Test
    void whileTheKeeperIsStoppedSessionsAreServed_andWhatWasDoneThenIsKept() throws Exception {
        image.startLonelyDaemon();
        mountAndKill(1);
        // All by one shell, as above: who waits for the keeper, and has a file of ours to close, must not keep us from
        // waking it.
        image.sh(stopped("run/keeper.lock") + "; { for i in 1 2 3 4 5; do echo $i >web/$i; done; echo done >caller; } &"
                + " sleep " + STOPPED + "; kill -CONT $(cat run/keeper.lock); wait");

        assertEquals("done\n", image.sh("cat caller"));
        image.sh("kill -KILL $(cat run/kexecfsd.pid)");
        image.sh("kexecfs heal");
        assertEquals("1\n2\n3\n4\n5\n", image.sh("cat web/[0-9]"));
    }

    @Test
    void killedWhileItsKeeperWasStopped_nothingIsLost() throws Exception {
        image.startLonelyDaemon();
        mountAndKill(1);
        image.sh(stopped("run/keeper.lock") + " && echo bytes >web/a && kill -KILL $(cat run/kexecfsd.pid);"
                + " kexecfs heal & sleep 0.5; kill -CONT $(cat run/keeper.lock); wait");

        assertEquals("bytes\n", image.sh("cat web/a"));
    }

    /** What it has already is charged to where it was, so that little is enough: the kernel's own of each file is charged to it, too. */
    @Test
    void killedByTheKernelForWantOfMemory_itComesBackWithAllThatWasAcknowledged() throws Exception {
        Path groups = Path.of("/sys/fs/cgroup/memory");
        assumeTrue(Files.exists(groups.resolve("memory.limit_in_bytes")), "no memory controller of cgroup v1");
        Path group = groups.resolve("kexecfs-faults-" + ProcessHandle.current().pid());
        Files.createDirectory(group);
        try {
            image.startLonelyDaemon();
            mountAndKill(1);
            image.sh("echo bytes >web/a");
            image.sh("cat run/kexecfsd.pid >" + group + "/cgroup.procs");
            image.sh("echo 2M >" + group + "/memory.limit_in_bytes");
            image.run("n=0; while echo $n >web/f$n && [ $n -lt 20000 ]; do echo $n >last; n=$((n + 1)); done");
            assertTrue(Files.readString(group.resolve("memory.oom_control")).contains("oom_kill 1"));
            image.sh("flock run/kexecfsd.pid true");

            image.sh("kexecfs heal");
            assertEquals("bytes\n", image.sh("cat web/a"));
            assertEquals(
                    "same\n",
                    image.sh(
                            "seq 0 $(cat last) >acknowledged"
                                    + " && for i in $(cat acknowledged); do cat web/f$i; done | cmp - acknowledged && echo same"));
        } finally {
            endNeighbour();
            image.run("kexecfs umount --force web/");
            image.stopDaemon();
            await().atMost(LONG).ignoreExceptions().until(() -> Files.deleteIfExists(group));
        }
    }

    @Test
    void outOfDescriptors_aNewFileIsRefusedWithEmfile_andWhatIsThereIsServed() throws Exception {
        image.sh("setsid prlimit --nofile=300:300 setpriv --bounding-set=-sys_resource --inh-caps=-all kexecfsd"
                + " >run/log 2>&1 </dev/null & until [ -e run/kexecfsd.sock ]; do sleep 0.01; done");
        image.sh(
                "kexecfs mount -o emulate=luo web web && kexecfs mount -o emulate=luo2 other other && echo bytes >other/a");
        Image.Result full = image.run("n=0; while echo x >web/$n; do n=$((n + 1)); [ $n -lt 500 ] || exit 7; done");

        assertTrue(full.output().contains("Too many open files"), full.output());
        assertAll(
                () -> assertEquals("bytes\n", image.sh("cat other/a")),
                () -> assertEquals("more\n", image.sh("echo more >other/a && cat other/a")),
                () -> assertEquals("x\n", image.sh("cat web/0")),
                () -> assertEquals(
                        "normal\n", image.sh("rm web/0 web/1 web/2 && echo y >web/0 && cat web/kexecfs.state")));
    }

    @Test
    void aFullRuntimeDirectoryIsTold_andNobodyIsHarmed() throws Exception {
        image.sh("mount -t tmpfs -o size=64k,mode=700 small run && mount --make-private run");
        mount();
        image.sh("echo bytes >web/a; dd if=/dev/zero of=run/full bs=4k 2>/dev/null || true; mkdir third");

        Image.Result third = image.run("kexecfs mount third third");
        assertNotEquals(0, third.exit());
        assertEquals("bytes\n", image.sh("cat web/a && kexecfs umount web/"));
    }

    @Test
    void killedWhileTheRuntimeDirectoryIsFull_itComesBack() throws Exception {
        image.sh("mount -t tmpfs -o size=64k,mode=700 small run && mount --make-private run");
        mountAndKill(1);
        image.sh("echo bytes >web/a");
        image.sh("dd if=/dev/zero of=run/full bs=4k 2>/dev/null || true; kill -KILL $(cat run/kexecfsd.pid)");

        awaitServed("web");
        assertEquals("bytes\n", image.sh("cat web/a"));
    }

    @Test
    void withNoRoomForItsFilesADaemonDoesNotStart_andSaysWhy() throws Exception {
        image.sh("mount -t tmpfs -o size=4k,nr_inodes=2,mode=700 small run && touch run/full");

        Image.Result result = image.run("kexecfs mount -o emulate=luo web web");
        assertNotEquals(0, result.exit());
        assertTrue(result.output().contains("No space left on device"), result.output());
    }

    @Test
    void whereTheRuntimeDirectoryIsReadOnly_thatIsTold() throws Exception {
        image.sh("mount -t tmpfs -o ro,mode=700 small run");

        for (String command : List.of("kexecfs mount -o emulate=luo web web", "kexecfs heal")) {
            Image.Result result = image.run(command);
            assertEquals(Exit.FAILED, result.exit(), result.output());
            assertTrue(result.output().contains(work.resolve("run") + "/"), result.output());
            assertTrue(result.output().contains("EROFS (Read-only file system)"), result.output());
        }
    }

    @Test
    void aMountThatWouldHideTheRuntimeDirectory_andOneOnNoDirectory_areRefused() throws Exception {
        mount();
        for (String directory : List.of("run", ".", "/")) {
            Image.Result result = image.run("kexecfs mount -o emulate=luo third " + directory);
            assertEquals(Exit.BUSY, result.exit(), result.output());
            assertTrue(result.output().contains("would hide kexecfs's own directory"), result.output());
        }
        Image.Result emulation = image.run("mkdir third && kexecfs mount -o emulate=third/luo third third");
        assertEquals(Exit.BUSY, emulation.exit(), emulation.output());
        assertTrue(emulation.output().contains("would hide the emulation's directory"), emulation.output());
        assertTrue(image.run("kexecfs mount -o emulate=luo third ''").output().contains("ENOENT"));
        image.sh("mkdir run/third && kexecfs mount -o emulate=luo third run/third && kexecfs umount third");
    }

    @Test
    void whereTheDeviceHasVanished_filesAreServed_andTheStateMachineSaysWhy() throws Exception {
        mount();
        image.sh("echo bytes >web/a && rm -r luo");

        Image.Result prepare = image.run("kexecfs prepare web/");
        assertNotEquals(0, prepare.exit());
        assertAll(
                () -> assertNotEquals("\n", image.sh("cat web/kexecfs.error")),
                () -> assertEquals("bytes\nmore\n", image.sh("echo more >>web/a && cat web/a")),
                () -> assertEquals("normal\n", image.sh("cat web/kexecfs.state")));
        image.sh("kexecfs umount web/");
    }

    @Test
    void aKexecInTheMiddleOfAPrepareTakesAllOrNothing() throws Exception {
        mount();
        image.sh("for i in $(seq 200); do echo $i >web/$i; done");
        CompletableFuture<Image.Result> prepare = CompletableFuture.supplyAsync(() -> run("kexecfs prepare web/"));
        await().pollInterval(Duration.ofMillis(1))
                .until(() -> prepare.isDone()
                        || image.run("grep -q preserved web/kexecfs.files").exit() == 0);
        image.run("kexecfs kexec --emulate luo");
        prepare.get();
        image.run("umount -l web");
        image.sh("kexecfs mount -o emulate=luo web web");

        String state = image.sh("cat web/kexecfs.state").strip();
        String files = image.sh("ls web | grep -vc kexecfs || true").strip();
        assertEquals(state.equals("updated") ? "200" : "0", files, state);
        assertTrue(state.equals("updated") || state.equals("normal"), state);
    }

    @Test
    void aFreezeThatFailsLeavesEverythingAsItWas() throws Exception {
        mount();
        try (Fd own = Fd.memfd("own")) {
            own.truncate(4096);
            Files.writeString(work.resolve("web/kexecfs.preserve"), own.number() + " own");
            image.sh("echo bytes >web/a && kexecfs prepare web/");
            // The kernel would not let it.
            own.truncate(8192);
            Image.Result kexec = image.run("kexecfs kexec --emulate luo");

            assertNotEquals(0, kexec.exit());
            assertTrue(kexec.output().contains("EPERM"), kexec.output());
            assertEquals("prepared\n", image.sh("cat web/kexecfs.state"));
            own.truncate(4096);
        }
        image.sh("kexecfs cancel web/ && kexecfs prepare web/ && kexecfs kexec --emulate luo");
        image.sh("kexecfs mount -o emulate=luo web web");
        assertEquals("bytes\n", image.sh("cat web/a"));
    }

    private Image.Result run(String command) {
        try {
            return image.run(command);
        } catch (IOException | InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Stops a process, and waits until each of its threads is: kill(2) does not, and on a busy machine they go on for a while. */
    private static String stopped(String pidFile) {
        return "{ stopped=$(cat " + pidFile + ") && kill -STOP $stopped"
                + " && while grep -h ^State: /proc/$stopped/task/*/status | grep -qv 'T (stopped)'; do sleep 0.01; done; }";
    }

    private String shell(String command) {
        Image.Result result = run(command);
        assertEquals(0, result.exit(), result.output());
        return result.output();
    }
}
