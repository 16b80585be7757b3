package org.kexecfs.tool;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Every script of kexecfs/doc/cookbook.md, as it stands there, through an update of the emulation; the guest's scenario
 * {@code cookbook} does the same through a real one. Needs root and /dev/fuse.
 */
class CookbookIT {
    private static final Path DOCUMENTS = Path.of(System.getProperty("kexecfs.sources"), "kexecfs/doc");

    @TempDir
    private Path work;

    private Image image;

    @BeforeEach
    void extract() throws Exception {
        image = new Image(work);
        image.sh(DOCUMENTS.resolve("extract") + " " + DOCUMENTS.resolve("cookbook.md") + " cookbook");
        image.sh("mkdir web db");
        mount("web");
    }

    @AfterEach
    void end() throws Exception {
        image.stopDaemon();
    }

    private void mount(String directory) throws Exception {
        image.sh("mount.kexecfs cookbook-" + directory + " " + directory + " -o emulate=luo");
    }

    private void update() throws Exception {
        image.sh("cookbook/prepare-all web && kexecfs kexec --emulate luo");
        mount("web");
    }

    @Test
    void shellcheckIsContentWithEachScript() throws Exception {
        assertEquals("8\n", image.sh("ls cookbook | wc -l"));
        assertEquals("", image.sh("shellcheck cookbook/*"));
    }

    @Test
    void aServicesStateIsSavedAndRestored() throws Exception {
        image.sh("mkdir before after && echo one >before/one && echo two >'before/t w o' && chmod 640 before/one"
                + " && chown 7:8 before/one && touch -d @1234567890 before/*");
        image.sh("cookbook/save-state web before/*");
        update();

        image.sh("cookbook/restore-state web after");

        String facts = " && stat -c '%n %s %a %u %g %Y' * && cat *";
        assertAll(
                () -> assertEquals(image.sh("cd before" + facts), image.sh("cd after" + facts)),
                () -> assertEquals("normal\n", image.sh("cat web/kexecfs.state")),
                () -> assertEquals("", image.sh("ls web | grep -v ^kexecfs || :")),
                () -> assertEquals(
                        2, image.run("cookbook/restore-state web after").exit(), "a start without an update"));
    }

    @Test
    void aCacheIsWarmAfterTheUpdate() throws Exception {
        image.sh("cookbook/with-cache web 1M db/pages sh -c"
                + " 'printf warm | dd of=db/pages bs=4096 seek=3 conv=notrunc status=none'");
        update();

        assertEquals("1048576\nwarm\nnormal\n", image.sh("""
                cookbook/with-cache web 1M db/pages sh -c '
                    stat -L -c %s db/pages && dd if=db/pages bs=4096 skip=3 count=1 status=none | head -c 4'
                echo; cat web/kexecfs.state
                """));
    }

    @Test
    void aDirectoryComesBackWithAllThatTarKeeps() throws Exception {
        image.sh("mkdir -p tree/a/b && echo deep >tree/a/b/file && ln -s a/b/file tree/link && mkfifo tree/pipe"
                + " && chmod 700 tree/a && cookbook/save-directory web tree tree");
        update();

        image.sh("cookbook/restore-directory web tree again");

        String facts = " && find . | sort | xargs stat -c '%n %F %a %N' && cat link";
        assertEquals(image.sh("cd tree" + facts), image.sh("cd again" + facts));
    }

    @Test
    void whoAsksAgainSeesTheStateInTime() throws Exception {
        assertAll(
                () -> image.sh("cookbook/await-state web normal 0"),
                () -> assertEquals(
                        1, image.run("cookbook/await-state web prepared 1").exit()),
                () -> image.sh(
                        "cookbook/await-state web prepared 60 & sleep 0.1; echo 1 >web/kexecfs.prepare; wait $!"));
    }

    @Test
    void aServiceIsQuietWhilePrepared() throws Exception {
        String output = image.sh("""
                sleep 300 & pid=$!
                cookbook/quiet-while-prepared web/ $pid 2>quiet & quiet=$!
                is() { while ! grep -q "^State:.$1" /proc/$pid/status; do sleep 0.05; done; echo "$1"; }
                echo 1 >web/kexecfs.prepare; is T
                echo 1 >web/kexecfs.cancel; is S
                kill $pid; echo 1 >web/kexecfs.prepare; wait $quiet; cat quiet
                """);

        assertTrue(output.startsWith("T\nS\n"), output);
    }

    @Test
    void ifOneSessionCannotBePrepared_noneIs() throws Exception {
        mount("db");
        // What it requires is not there.
        image.sh("echo x >db/file");
        Files.setAttribute(
                work.resolve("db/file"), "user:kexecfs.requires", "none".getBytes(StandardCharsets.US_ASCII));

        Image.Result result = image.run("cookbook/prepare-all web db");

        assertAll(
                () -> assertEquals(1, result.exit(), result.output()),
                () -> assertTrue(result.output().contains("ENOENT"), result.output()),
                () -> assertEquals("normal\nnormal\n", image.sh("cat web/kexecfs.state db/kexecfs.state")));
    }
}
