package org.kexecfs.tool;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** {@code send}, {@code recv}, {@code memfd} and {@code wait}, packaged, on one emulated mount. Needs root and /dev/fuse. */
class FdToolsIT {
    @TempDir
    private Path work;

    private Image image;

    @BeforeEach
    void mount() throws Exception {
        image = new Image(work);
        Files.createDirectory(work.resolve("mnt"));
        image.sh("mount.kexecfs fdtools mnt -o emulate=luo");
    }

    @AfterEach
    void unmount() throws Exception {
        image.stopDaemon();
    }

    @Test
    void whatIsSentIsTheOpenFileItself() throws Exception {
        String read = image.sh("""
                kexecfs memfd - -- sh -c 'echo before >{}; kexecfs send mnt/sent 3 && echo after >>{} && cat mnt/sent'
                """);

        assertEquals("before\nafter\n", read);
    }

    @Test
    void aReceivedFileIsTheOpenFileItself() throws Exception {
        image.sh("echo entry >mnt/file");

        assertEquals("entry\nmore\n", image.sh("kexecfs recv mnt/file -- sh -c 'echo more >>{}; cat mnt/file'"));
        assertEquals("entry\n", image.sh("kexecfs recv --fd 5 mnt/file -- sh -c 'head -n 1 /proc/self/fd/5'"));
    }

    @Test
    void aCommandHasNewMemoryThatIsAnEntryAlready() throws Exception {
        assertEquals(
                "65536 600\nwritten\n",
                image.sh("kexecfs memfd --size 64k mnt/new -- sh -c 'stat -c \"%s %a\" mnt/new; echo written 1<>{}'"
                        + " && head -c 8 mnt/new"));
    }

    @Test
    void aCopyOfAPipeIsPreserved() throws Exception {
        image.sh("head -c 3000000 /dev/urandom >data && cat data | kexecfs send --copy mnt/copy && cmp data mnt/copy");
    }

    @Test
    void aCopyShowsProgressOnATerminalOnly() throws Exception {
        // A pipe that is slow to end: the line is shown after half a second.
        String slow = "{ head -c 2097152 /dev/zero; sleep 1; head -c 2097152 /dev/zero; } | kexecfs send --copy mnt/";

        assertEquals("", image.sh(slow + "quiet"));
        assertTrue(image.sh("script -qec '" + slow + "shown' /dev/null").contains(" MiB"));
    }

    @Test
    void theCommandIsAsIfTheShellHadStartedIt() throws Exception {
        image.sh("echo entry >mnt/file");
        // Of the signals, those up to 28: the C library has some above for itself.
        String facts = "sh -c \"sed -n 's/^\\(Sig[BIC].*\\)\\t.*\\(.\\{7\\}\\)$/\\1 \\2/p' /proc/self/status;"
                + " ulimit -S -n; cat /proc/self/coredump_filter; ls /proc/self/fd\"";
        String prepare = "trap '' USR1; ulimit -S -n 333; exec 7</dev/null; unset MALLOC_ARENA_MAX; export LC_ALL=C; ";

        // The listing has the lowest number that is free: 3, or 4 where 3 is the file.
        String plain = image.sh(prepare + facts + "; env | grep -v ^_= | sort").replace("\n3\n", "\n4\n");
        String run = image.sh(
                prepare + "kexecfs recv mnt/file -- " + facts + "; kexecfs recv mnt/file -- env | grep -v ^_= | sort");

        assertEquals(plain, run.replace("\n3\n4\n", "\n4\n"));
    }

    @Test
    void theExitCodeAndTheSignalAreTheCommands() throws Exception {
        image.sh("echo entry >mnt/file");

        assertAll(
                () -> assertEquals(
                        42,
                        image.run("kexecfs recv mnt/file -- sh -c 'exit 42'").exit()),
                () -> assertEquals(
                        128 + 9,
                        image.run("kexecfs recv mnt/file -- sh -c 'kill -9 $$'; exit $?")
                                .exit()));
    }

    @Test
    void theCommandsArgumentsAreBytes() throws Exception {
        image.sh("echo entry >mnt/file");

        assertEquals(
                "<-><><--><@x></proc/self/fd/3,a=/proc/self/fd/3><\\377>",
                image.sh("kexecfs recv mnt/file -- printf '<%s>' - '' -- @x '{},a={}' \"$(printf '\\377')\""
                        + " | sed 's/\\xff/\\\\377/'"));
    }

    @Test
    void aCommandThatIsNotThereLeavesNoEntry() throws Exception {
        Image.Result result = image.run("kexecfs memfd mnt/entry -- no-such-command");

        assertEquals(127, result.exit(), result.output());
        assertEquals(
                "kexecfs: cannot run no-such-command: execve(no-such-command): ENOENT (No such file or directory)\n",
                result.output());
        assertTrue(Files.notExists(work.resolve("mnt/entry")));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "kexecfs recv mnt/there",
                "kexecfs memfd -",
                "kexecfs luo create --emulate luo other",
                "kexecfs mount --private -o emulate=luo other",
            })
    void aCommandThatCannotBeRunIsToldAsEnvTellsIt(String command) throws Exception {
        image.sh("echo x >mnt/there; echo x >plain; chmod 644 plain");

        for (String cannotRun : List.of("./no-such-command", "./plain", "/")) {
            Image.Result result = image.run(command + " -- " + cannotRun);

            assertEquals(image.run("env " + cannotRun).exit(), result.exit(), result.output());
            assertTrue(result.output().matches("(?s)(.*\n)?kexecfs: .*" + cannotRun + ".*E[A-Z]+ .*"), result.output());
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "1 | EOPNOTSUPP.*--copy | kexecfs send mnt/a </etc/passwd",
                "1 | fd 77.*EBADF | kexecfs send mnt/a 77",
                "1 | ENOENT | kexecfs recv mnt/none -- cat",
                "1 | EEXIST | kexecfs memfd mnt/there -- true",
                "3 | no session is mounted there | kexecfs recv none -- cat",
                "1 | no directory .*/no/such | kexecfs send no/such/name",
                "5 | EACCES.*--read-only | setpriv --reuid=65534 --clear-groups kexecfs recv mnt/readable -- cat",
                "5 | EACCES | setpriv --reuid=65534 --clear-groups kexecfs recv -r mnt/there -- cat",
                "2 | --size 1x | kexecfs memfd --size 1x - -- true",
                "2 | --fd -1 | kexecfs recv --fd -1 mnt/there -- true",
                "1 | EINVAL | kexecfs recv --fd 1000000000 mnt/there -- true",
                "4 | EBUSY | echo 1 >mnt/kexecfs.prepare; kexecfs memfd mnt/late -- true",
            })
    void whatCannotBeDoneIsToldInWords(int exit, String words, String command) throws Exception {
        image.sh(
                "chmod 755 . && echo x >mnt/there && chmod 600 mnt/there && echo x >mnt/readable && chmod 644 mnt/readable");

        Image.Result result = image.run(command);

        assertEquals(exit, result.exit(), result.output());
        assertTrue(result.output().matches("(?s)kexecfs: .*" + words + ".*\n"), result.output());
    }

    @Test
    void waitWakesOnTheStateAndTellsIt() throws Exception {
        assertEquals("normal\n", image.sh("kexecfs wait fdtools prepared normal"));
        // Its output begins when it ends: that it waits is seen by its open file.
        String output = image.sh("""
                kexecfs wait mnt/ prepared & waiter=$!
                while ! ls -l /proc/$waiter/fd | grep -q kexecfs.state; do sleep 0.05; done
                echo 1 >mnt/kexecfs.prepare; wait $waiter
                """);

        assertEquals("prepared\n", output);
    }

    @Test
    void waitGivesUpInTimeAndSaysWhatIs() throws Exception {
        Image.Result result = image.run("kexecfs wait --timeout 1 fdtools prepared updated");

        assertEquals(Exit.FAILED, result.exit());
        assertEquals("kexecfs: fdtools is normal and not prepared or updated within 1 s\n", result.output());
    }

    @Test
    void aFileComesBackThroughTheUpdateWithItsPosition() throws Exception {
        image.sh("kexecfs memfd mnt/ram -- sh -c 'printf abcdef >&3' && echo 1 >mnt/kexecfs.prepare"
                + " && kexecfs kexec --emulate luo && mount.kexecfs fdtools mnt -o emulate=luo");

        assertEquals("abcdef\n6\n", image.sh("""
                kexecfs recv mnt/ram -- sh -c 'cat {}; echo; sed -n "s/^pos:[[:space:]]*//p" /proc/self/fdinfo/3 <&3'
                """));
    }
}
