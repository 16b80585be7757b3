package org.kexecfs.posix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import jnr.constants.platform.linux.Errno;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A process that has what we have, and nothing else. */
class ShadowTest {
    private final Fd noted = Fd.memfd("pids");
    private final SharedInts pids = SharedInts.map(noted, 4);
    private Shadow shadow;

    @BeforeEach
    void start() {
        shadow = Shadow.start(pids, 2);
    }

    @AfterEach
    void end() {
        shadow.end();
        noted.close();
    }

    @Test
    void whatWeOpenItHas_andWhatWeCloseItHasNot() {
        try (Pidfd process = Pidfd.open(pids.get(2))) {
            Fd file = Fd.memfd("file");
            int number = file.number();
            try (Fd same = process.getFd(number)) {
                assertTrue(same.isSameOpenFile(file));
            }
            file.close();
            assertEquals(
                    Errno.ENOENT,
                    assertThrows(ErrnoException.class, () -> process.getFd(number))
                            .errno());
        }
    }

    @Test
    void itsNumberIsInTheFileForAllToRead() {
        byte[] bytes = new byte[4];
        noted.pread(bytes, 8);
        assertEquals(
                pids.get(2),
                Integer.reverseBytes(java.nio.ByteBuffer.wrap(bytes).getInt()));
        assertTrue(ProcessId.of(pids.get(2)).orElseThrow().isRunning());
    }

    @Test
    void itIsCalledAShadow_andIsOneThread() throws IOException {
        Path process = Path.of("/proc", Integer.toString(pids.get(2)));
        assertEquals(Shadow.NAME + "\n", Files.readString(process.resolve("comm")));
        try (var threads = Files.list(process.resolve("task"))) {
            assertEquals(1, threads.count());
        }
    }

    @Test
    void noSignalButSigkillEndsIt() throws IOException, InterruptedException {
        String pid = Integer.toString(pids.get(2));
        for (String signal : new String[] {"TERM", "HUP", "QUIT", "SEGV", "USR1", "32", "33", "64"}) {
            assertEquals(
                    0, new ProcessBuilder("kill", "-" + signal, pid).start().waitFor());
        }
        assertTrue(Poll.await(java.util.List.of(new Poll.Wanted(shadow.ended(), Poll.POLLIN)), 50)
                .isEmpty());
    }

    /** Its files are those of a process of ours: whoever may not look into us may not look into it. */
    @Test
    void whoHasFewerRightsThanWeReachesNothingThatItHas() throws IOException, InterruptedException {
        String file = "/proc/" + pids.get(2) + "/fd/" + noted.number();
        assertEquals(0, exit("cat", file));
        assertEquals(1, exit("setpriv", "--reuid=65534", "--clear-groups", "cat", file), "another user");
        assertEquals(1, exit("setpriv", "--bounding-set=-sys_ptrace", "cat", file), "root without CAP_SYS_PTRACE");
        assertEquals(1, exit("unshare", "--user", "--map-root-user", "cat", file), "root of another user namespace");
    }

    private static int exit(String... command) throws IOException, InterruptedException {
        return new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start()
                .waitFor();
    }

    @Test
    void onceItHasEndedAnybodyCanTell() throws IOException, InterruptedException {
        ProcessId id = ProcessId.of(pids.get(2)).orElseThrow();
        assertEquals(
                0,
                new ProcessBuilder("kill", "-KILL", Integer.toString(id.pid()))
                        .start()
                        .waitFor());
        assertFalse(Poll.await(java.util.List.of(new Poll.Wanted(shadow.ended(), Poll.POLLIN)), 10_000)
                .isEmpty());
        assertFalse(id.isRunning());
        shadow.end();
        assertEquals(Optional.empty(), ProcessId.of(id.pid()));
        shadow = Shadow.start(pids, 2);
    }
}
