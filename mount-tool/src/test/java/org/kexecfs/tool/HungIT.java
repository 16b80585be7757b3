package org.kexecfs.tool;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.regex.Pattern;
import jnr.ffi.Pointer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.kexecfs.mount.FuseMount;
import org.kexecfs.mount.MountOptions;
import org.kexecfs.mount.MountPoint;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.Poll;

/** Mounts that do not answer: nobody is kept from what has to do with others. Needs root and /dev/fuse. */
class HungIT {
    @TempDir
    private Path work;

    private Image image;

    @BeforeEach
    void mount() throws Exception {
        image = new Image(work);
        image.startLonelyDaemon();
        image.sh("mkdir web alone && kexecfs mount -o emulate=luo hung-web web && echo bytes >web/file");
        image.sh("setsid kexecfs mount -f --ready-fd 3 -o emulate=luo hung-alone alone 3>ready >log 2>&1 </dev/null &"
                + " echo $! >alone.pid; until [ -s ready ]; do sleep 0.01; done; grep -q 0 ready");
    }

    @AfterEach
    void stop() throws Exception {
        image.run("kill -CONT $(cat alone.pid run/kexecfsd.pid); kill -KILL $(cat alone.pid); umount -l alone");
        image.stopDaemon();
    }

    private void stopServer(String pidFile) throws Exception {
        // It has stopped when all its threads have.
        image.sh("pid=$(cat " + pidFile + "); kill -STOP $pid;"
                + " while grep -h ^State /proc/$pid/task/*/status | grep -qv stopped; do :; done");
    }

    /** All at once: each takes the five seconds. */
    private List<Image.Result> inTime(String... commands) {
        return Arrays.stream(commands)
                .map(command -> CompletableFuture.supplyAsync(() -> inTime(command)))
                .toList()
                .stream()
                .map(CompletableFuture::join)
                .toList();
    }

    private Image.Result inTime(String command) {
        try {
            Image.Result result = image.run("timeout -s KILL 30 " + command);
            assertNotEquals(137, result.exit(), command + " waits");
            return result;
        } catch (IOException | InterruptedException e) {
            throw new AssertionError(command, e);
        }
    }

    private static void assertSays(String pattern, Image.Result result) {
        assertTrue(
                Pattern.compile(pattern, Pattern.MULTILINE)
                        .matcher(result.output())
                        .find(),
                () -> pattern + " is not in\n" + result.output());
    }

    @Test
    void ofAMountWhoseServerIsStopped_theCommandsSayWhatToDo_andDoTheRest() throws Exception {
        stopServer("alone.pid");
        String pid = image.sh("cat alone.pid").strip();
        String told = "hung-alone at " + work.resolve("alone") + " does not answer: it is served by process " + pid
                + ", which is stopped; 'kill -CONT " + pid + "' lets it go on";

        List<Image.Result> results =
                inTime("kexecfs status", "kexecfs status --json hung-alone", "kexecfs umount hung-alone");
        assertAll(
                () -> assertSays("^hung-web +normal +1 +6 ", results.get(0)),
                () -> assertSays("^hung-alone +hung +- +- ", results.get(0)),
                () -> assertSays("\"state\" : \"hung\",\\s+\"backend\" : null", results.get(1)),
                () -> assertEquals(
                        0,
                        image.run("grep -q ' hung-alone ' /proc/self/mountinfo").exit()));
        for (Image.Result result : results) {
            assertEquals(Exit.FAILED, result.exit(), result.output());
            assertSays("^kexecfs: " + Pattern.quote(told), result);
        }
        image.sh("kill -CONT " + pid + " && kexecfs status hung-alone && kexecfs umount hung-alone");
    }

    @Test
    void allThatAStoppedDaemonServesHangs_andNothingElse() throws Exception {
        stopServer("run/kexecfsd.pid");
        String pid = image.sh("cat run/kexecfsd.pid").strip();

        List<Image.Result> results = inTime("kexecfs status", "kexecfs heal");
        assertAll(
                () -> assertSays("^hung-web +hung ", results.get(0)),
                () -> assertSays("^hung-alone +normal ", results.get(0)),
                () -> assertEquals(Exit.FAILED, results.get(1).exit()),
                () -> assertSays(
                        "^kexecfs: kexecfsd does not answer: it is process " + pid + ", which is stopped",
                        results.get(1)));
        image.sh("kill -CONT " + pid + " && kexecfs heal && kexecfs status hung-web");
    }

    @Test
    void healAsksNoServerOfOthers_norFailsForThem() throws Exception {
        image.sh("kill -KILL $(cat run/kexecfsd.pid)");
        stopServer("alone.pid");
        assertEquals("", inTime("kexecfs heal").output());
        assertEquals("bytes\n", image.sh("cat web/file"));

        image.sh("kill -KILL $(cat alone.pid)");
        assertEquals("", image.sh("kexecfs heal"), "with a dead one");
        assertSays("^hung-alone +dead ", image.run("kexecfs status hung-alone"));
    }

    @Test
    void aMountOnOneThatHangsIsPutOnTop() throws Exception {
        stopServer("alone.pid");

        assertEquals(0, inTime("kexecfs mount -o emulate=luo hung-top alone").exit());
        assertEquals("session hung-top\n", image.sh("kill -CONT $(cat alone.pid) && grep session alone/kexecfs.info"));
        image.sh("kexecfs umount hung-top");
    }

    /** Whoever waits for it cannot be killed, and nobody but the process that was made for it does. */
    @Test
    void aServerThatReadsTheQuestionAndNeverAnswers_keepsNoCommandFromItsEnd() throws Exception {
        Path mute = Files.createDirectory(work.resolve("mute"));
        try (FuseMount mount = FuseMount.create("hung-mute", MountOptions.parse("emulate=/nowhere"))) {
            try (MountPoint point = MountPoint.open(mute)) {
                point.attach(mount).ifPresent(Fd::close);
            }
            begin(mount.device());
            Thread.ofPlatform().daemon().start(() -> request(mount.device()));

            Image.Result status = inTime("kexecfs status");
            assertEquals(Exit.FAILED, status.exit());
            assertTrue(status.output().matches("(?s).*hung-web +normal .*"), status.output());
            assertTrue(status.output().matches("(?s).*hung-mute +hung .*"), status.output());
            assertTrue(
                    status.output()
                            .contains("process " + ProcessHandle.current().pid() + ", which is at work, or hangs"),
                    status.output());
        } finally {
            image.sh("umount -l mute");
        }
    }

    /** Answers FUSE_INIT (fuse(4), linux/fuse.h): without that the kernel sends nothing else. */
    private static void begin(Fd device) {
        long unique = request(device).getLong(8);
        int length = 16 + 64;
        Pointer answer = Fd.allocate(length);
        answer.setMemory(0, length, (byte) 0);
        answer.putInt(0, length);
        answer.putLong(8, unique);
        answer.putInt(16, 7);
        answer.putInt(20, 31);
        answer.putInt(36, 4096);
        device.write(answer, length);
    }

    private static Pointer request(Fd device) {
        Poll.await(List.of(new Poll.Wanted(device, Poll.POLLIN)), Poll.FOREVER);
        Pointer request = Fd.allocate(1 << 20);
        device.read(request, 1 << 20);
        return request;
    }
}
