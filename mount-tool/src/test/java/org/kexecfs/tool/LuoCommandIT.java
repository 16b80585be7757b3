package org.kexecfs.tool;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** {@code kexecfs luo}, packaged, on an emulation. */
class LuoCommandIT {
    @TempDir
    private Path work;

    private Image image;

    @BeforeEach
    void makeOne() {
        image = new Image(work);
    }

    /** A session with a file under token 7, from the kernel before. */
    private void cycle() throws Exception {
        Image.Result result = image.run("""
                kexecfs luo create --emulate luo web -- kexecfs memfd - -- sh -c '
                    echo bytes >{} && kexecfs luo preserve 7 3 && kexecfs kexec --emulate luo && echo not reached'
                """);
        assertEquals(128 + 9, result.exit(), result.output());
    }

    @Test
    void aFileGoesThroughAnUpdate() throws Exception {
        cycle();

        assertEquals("web\nbytes\n", image.sh("""
                kexecfs luo retrieve --emulate luo web -- sh -c '
                    kexecfs luo get-name && kexecfs luo retrieve-fd 7 -- cat {} && kexecfs luo finish'
                """));
    }

    @Test
    void aSessionEndsWithTheLastThatHasIt() throws Exception {
        image.sh("kexecfs luo create --emulate luo web -- true && kexecfs luo create --emulate luo web -- true");

        Image.Result twice = image.run(
                "kexecfs luo create --emulate luo web -- kexecfs luo create --fd 8 --emulate luo web -- true");

        assertEquals(Exit.FAILED, twice.exit(), twice.output());
        assertTrue(twice.output().contains("EEXIST"), twice.output());
    }

    @Test
    void theNameIsToldAsJsonToo() throws Exception {
        assertEquals(
                "[ {\n  \"session\" : \"sitzüng\"\n} ]\n",
                image.sh("kexecfs luo create --emulate luo sitzüng -- kexecfs luo get-name --json"));
    }

    @Test
    void aSessionIsNeverReplacedByTheFileOfANestedCommand() throws Exception {
        Image.Result result = image.run("kexecfs luo create --emulate luo web -- kexecfs memfd --fd 9 - -- true");

        assertEquals(Exit.USAGE, result.exit(), result.output());
        assertTrue(result.output().contains("--fd 9"), result.output());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "1 | ENOENT | kexecfs luo retrieve --emulate luo none -- true",
                "1 | ENOENT | kexecfs luo create --device /none web -- true",
                "1 | EINVAL | kexecfs luo create --emulate luo .. -- true",
                "2 | within 'kexecfs luo create | kexecfs luo finish",
                "1 | EBADF | kexecfs luo finish --session 77",
                "1 | EINVAL | kexecfs luo finish --session 0",
                "1 | EINVAL | kexecfs luo create --emulate luo web -- kexecfs luo finish",
                "1 | ENOENT | kexecfs luo create --emulate luo web -- kexecfs luo preserve 1 </etc/passwd",
                "1 | EBADF | kexecfs luo create --emulate luo web -- kexecfs luo preserve 1 77",
                "1 | EINVAL | kexecfs luo create --emulate luo web -- kexecfs luo retrieve-fd 1 -- true",
            })
    void whatLuoRefusesIsToldInWords(int exit, String words, String command) throws Exception {
        Image.Result result = image.run(command);

        assertEquals(exit, result.exit(), result.output());
        assertTrue(result.output().matches("(?s)kexecfs: .*" + words + ".*\n"), result.output());
    }

    @Test
    void aTokenThatIsNotThereIsToldOf_andTheOthersCanStillBeHad() throws Exception {
        cycle();

        String output = image.sh("""
                kexecfs luo retrieve --emulate luo web -- sh -c '
                    kexecfs luo retrieve-fd 8 -- cat {} || kexecfs luo retrieve-fd 7 -- cat {}' 2>&1
                """);

        assertTrue(output.matches("kexecfs: cannot retrieve: .*token 8: .*ENOENT.*\nbytes\n"), output);
    }
}
