package org.kexecfs.keep;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What systemd is asked, and what its answers mean. */
class ComingKexecTest {
    @TempDir
    private Path directory;

    private ComingKexec asking(String script) {
        return new ComingKexec(directory, List.of("sh", "-c", script));
    }

    @Test
    void withAJobForKexecTargetAKexecIsComing() {
        assertTrue(asking("echo 4711").isComing());
    }

    @Test
    void withoutOneNoneIs() {
        assertFalse(asking("echo 0").isComing());
        assertFalse(asking("echo").isComing());
    }

    @Test
    void whenSystemdDoesNotAnswer_oneMayBeComing() {
        assertTrue(asking("echo no answer >&2; exit 1").isComing());
        assertTrue(new ComingKexec(directory, List.of("/no/such/systemctl")).isComing());
    }

    @Test
    void whereSystemdDoesNotRun_nobodyIsAsked() {
        assertFalse(new ComingKexec(directory.resolve("none"), List.of("sh", "-c", "echo 1")).isComing());
    }

    @Test
    void aNoIsForOneQuestion_aYesForAll() throws IOException {
        Path answer = Files.writeString(directory.resolve("answer"), "0");
        ComingKexec kexec = asking("cat " + answer);
        assertFalse(kexec.isComing());
        Files.writeString(answer, "17");
        assertTrue(kexec.isComing());
        Files.writeString(answer, "0");
        assertTrue(kexec.isComing());
    }

    @Test
    void ofManyAtOnceFewAsk() throws Exception {
        Path times = directory.resolve("times");
        ComingKexec kexec = asking("echo >>" + times + "; sleep 0.3; echo 0");
        try (ExecutorService threads = Executors.newFixedThreadPool(20)) {
            List<Future<Boolean>> all = new ArrayList<>();
            for (int i = 0; i < 20; i++) {
                all.add(threads.submit(kexec::isComing));
            }
            for (Future<Boolean> one : all) {
                assertFalse(one.get());
            }
        }
        // The first asks for itself, and the second for all that came while it did.
        assertTrue(Files.readAllLines(times).size() <= 3, () -> "asked too often");
        assertEquals(false, kexec.isComing());
    }
}
