package org.kexecfs.fuse;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.kexecfs.fuse.CProgram.FAMILIES;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * A mount whose server may not have files passed through, which takes CAP_SYS_ADMIN over the whole machine: it is root of a
 * user namespace only. All else holds.
 */
class NoPassthroughTest {
    private Path base;
    private Served server;

    @BeforeEach
    void mount() throws IOException {
        base = Files.createTempDirectory("kexecfs-test");
        Files.createDirectory(base.resolve("mnt"));
        server = Served.start(
                List.of("unshare", "--user", "--map-root-user", "--mount"),
                "vm",
                base.resolve("mnt"),
                "size=64m,emulate=" + base.resolve("luo"));
        assertEquals("mounted", server.said());
    }

    @AfterEach
    void unmount() throws IOException {
        server.close(); // The mount is in no other namespace.
        Shell.run(List.of("rm", "-r", base.toString())).succeeded();
    }

    private Shell there(String script) {
        return Shell.run(List.of(
                "nsenter",
                "--target=" + server.pid(),
                "--user",
                "--mount",
                "--preserve-credentials",
                "bash",
                "-c",
                "cd " + base + "/mnt && { " + script + "\n}"));
    }

    @Test
    void itIsToldBeforeAnyFileIsOpened() {
        assertEquals(
                "passthrough no",
                there("grep passthrough kexecfs.info").succeeded().strip());
    }

    @Test
    void whatIsWrittenIsReadAndSurvives() {
        there("echo abc > f && echo def >> f && truncate -s 6 f && [ \"$(tr '\\n' . < f)\" = abc.de ]")
                .succeeded();
        there("dd if=/dev/urandom of=big bs=1M count=8 && cp big copy && cmp big copy")
                .succeeded();
    }

    @Test
    void sizesStandStillWhilePrepared() {
        there("printf 0123456789 > f && echo 1 > kexecfs.prepare").succeeded();

        there("printf x >> f").failed("Operation not permitted");
        there("truncate -s 5 f").failed("Operation not permitted");
        there("printf ab | dd of=f conv=notrunc bs=2 seek=1 && [ $(cat f) = 01ab456789 ]")
                .succeeded();
    }

    @Test
    void limitsHold() {
        there("dd if=/dev/zero of=f bs=1M count=65").failed("No space left on device");
        assertEquals("67108864", there("stat -c %s f").succeeded().strip());
    }

    @Test
    void onlySharedMappingsAreRefused() {
        assertEquals(
                "mmap MAP_SHARED: ENODEV",
                there(FAMILIES + " | grep MAP_SHARED").succeeded().strip());
        assertEquals(
                "mmap MAP_PRIVATE: OK",
                there(FAMILIES + " | grep MAP_PRIVATE").succeeded().strip());
    }
}
