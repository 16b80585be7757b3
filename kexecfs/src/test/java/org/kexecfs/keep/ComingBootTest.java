package org.kexecfs.keep;

import static org.junit.jupiter.api.Assertions.assertEquals;
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
class ComingBootTest {
    @TempDir
    private Path directory;

    private ComingBoot asking(String script) {
        return new ComingBoot(directory, List.of("sh", "-c", script));
    }

    /** What systemctl says of a target that a job is to start, and of one that none is. */
    private static String answer(String kexec, String softReboot) {
        return "Id=kexec.target\n" + kexec + "\nId=soft-reboot.target\n" + softReboot;
    }

    private ComingBoot answered(String kexec, String softReboot) {
        return asking("printf '" + answer(kexec, softReboot) + "'");
    }

    @Test
    void withAJobForKexecTarget_aKexecIsComing() {
        assertEquals(Coming.KEXEC, answered("Job=4711\n", "").what());
    }

    @Test
    void withAJobForSoftRebootTarget_aSoftRebootIsComing() {
        assertEquals(Coming.SOFT_REBOOT, answered("", "Job=10\n").what());
        assertEquals(Coming.SOFT_REBOOT, answered("Job=0\n", "Job=10\n").what());
    }

    @Test
    void withoutOne_nothingIs() {
        assertEquals(Coming.NOTHING, answered("", "").what());
        assertEquals(Coming.NOTHING, answered("Job=0\n", "Job=\n").what());
        assertEquals(Coming.NOTHING, asking("echo").what());
    }

    @Test
    void whenSystemdDoesNotAnswer_aKexecMayBeComing() {
        assertEquals(Coming.KEXEC, asking("echo no answer >&2; exit 1").what());
        assertEquals(Coming.KEXEC, new ComingBoot(directory, List.of("/no/such/systemctl")).what());
    }

    @Test
    void whenWhoAsksIsKilled_itIsAskedAgain() {
        Path asked = directory.resolve("asked");
        String script =
                "[ -e " + asked + " ] || { touch " + asked + "; kill $$; }; printf '" + answer("", "Job=10\n") + "'";
        assertEquals(Coming.SOFT_REBOOT, asking(script).what());
    }

    @Test
    void whereSystemdDoesNotRun_nobodyIsAsked() {
        List<String> question = List.of("printf", answer("Job=1\n", ""));
        assertEquals(Coming.NOTHING, new ComingBoot(directory.resolve("none"), question).what());
        assertEquals(Coming.KEXEC, new ComingBoot(directory, question).what());
    }

    @Test
    void aNoIsForOneQuestion_aYesForAll() throws IOException {
        Path answer = Files.writeString(directory.resolve("answer"), answer("", ""));
        ComingBoot boot = asking("cat " + answer);
        assertEquals(Coming.NOTHING, boot.what());
        Files.writeString(answer, answer("", "Job=17\n"));
        assertEquals(Coming.SOFT_REBOOT, boot.what());
        Files.writeString(answer, answer("", ""));
        assertEquals(Coming.SOFT_REBOOT, boot.what());
    }

    @Test
    void ofManyAtOnceFewAsk() throws Exception {
        Path times = directory.resolve("times");
        ComingBoot boot = asking("echo >>" + times + "; sleep 0.3");
        try (ExecutorService threads = Executors.newFixedThreadPool(20)) {
            List<Future<Coming>> all = new ArrayList<>();
            for (int i = 0; i < 20; i++) {
                all.add(threads.submit(boot::what));
            }
            for (Future<Coming> one : all) {
                assertEquals(Coming.NOTHING, one.get());
            }
        }
        // The first asks for itself, and the second for all that came while it did.
        assertTrue(Files.readAllLines(times).size() <= 3, () -> "asked too often");
    }
}
