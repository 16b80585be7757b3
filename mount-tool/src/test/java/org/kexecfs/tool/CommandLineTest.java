package org.kexecfs.tool;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class CommandLineTest {
    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "fly",
                "mount",
                "mount web",
                "mount web /mnt more",
                "mount --fly web /mnt",
                "mount --ready-fd x web /mnt",
                "mount --ready-fd 3 web /mnt",
                "daemon --idle x",
                "prepare",
                "prepare --all web",
                "cancel a b",
                "finish --strict --release web",
                "daemon more",
                "docker-plugin more",
                "docker-plugin --fly",
                "mount --private web",
                "mount --private web --",
                "umount",
                "umount a b",
                "bind",
                "bind web",
                "bind web --into 1",
                "bind web --into :/mnt",
                "bind web --into nginx:mnt",
                "bind --into nginx:/mnt",
                "ls",
                "ls a b",
                "status a b",
                "kexec",
                "kexec /tmp",
                "demo --stage 3",
                "demo --stage x",
                "wait",
                "wait web",
                "wait web asleep",
                "wait --timeout -1 web normal",
                "send",
                "send a 1 2",
                "recv",
                "recv a",
                "recv --fd x a -- true",
                "recv --fd -1 a -- true",
                "memfd",
                "memfd -",
                "memfd --size much - -- true",
                "memfd --size 9999999t - -- true",
                "luo",
                "luo fly",
                "luo create",
                "luo create web",
                "luo create --device /dev/null --emulate /tmp web -- true",
                "luo preserve",
                "luo preserve 1",
                "luo preserve -1 0",
                "luo preserve x 0",
                "luo retrieve-fd 1",
                "luo finish",
                "luo get-name"
            })
    void aWrongCommandLineIsUsage(String line) {
        Tool tool = Tool.run(line.isEmpty() ? new String[0] : line.split(" "));

        assertAll(
                () -> assertEquals(Exit.USAGE, tool.exit(), tool.err()),
                () -> assertTrue(tool.err().startsWith("kexecfs: "), tool.err()),
                () -> assertEquals("", tool.out()));
    }

    @Test
    void aWrongOptionIsNamedAndHelpPointedTo() {
        Tool tool = Tool.run("mount", "--fly", "web", "/mnt");

        assertTrue(tool.err().contains("--fly"), tool.err());
        assertTrue(tool.err().contains("Try 'kexecfs mount --help'."), tool.err());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "mount web /mnt",
                "mount -- web /mnt",
                "mount -- -web -mnt",
                "mount -o size=1m,uid=3 web /mnt",
                "mount -o size=1m -- web /mnt"
            })
    void aMountInFewWordsIsUnderstoodAtOnce(String line) {
        assertTrue(MountCommand.asked(line.split(" ")).isPresent());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "umount web /mnt",
                "mount",
                "mount web",
                "mount --",
                "mount -- web",
                "mount -o",
                "mount -o size=1m",
                "mount -o size=1m web",
                "mount -o private web true",
                "mount -o size=1m,private -- web true",
                "mount -o -f web /mnt",
                "mount -f /mnt",
                "mount web -f",
                "mount -f web /mnt",
                "mount web /mnt --debug",
                "mount web /mnt more",
                "--debug mount web /mnt"
            })
    void otherWordsAreLeftToPicocli(String line) {
        assertFalse(MountCommand.asked(line.split(" ")).isPresent());
    }

    @ParameterizedTest
    @ValueSource(strings = {"umount", "ls", "status"})
    void whatIsNotMountedHasACodeOfItsOwn(String command) {
        Tool tool = Tool.run(command, "no-such-session");

        assertAll(
                () -> assertEquals(Exit.NOT_MOUNTED, tool.exit()),
                () -> assertEquals(
                        "kexecfs: no-such-session: no such session or directory is mounted here; 'kexecfs status' lists"
                                + " those that are\n",
                        tool.err()));
    }

    @Test
    void aDirectoryWithoutAMountIsNotMounted(@TempDir Path directory) {
        assertEquals(Exit.NOT_MOUNTED, Tool.run("umount", directory.toString()).exit());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "fly=high | fly",
                "uid=root | uid=root",
                "mode=rwx | mode=rwx",
                "size=much | size=much",
                "emulate,device=/dev/null | device and emulate",
                "preserve=never | preserve=never",
            })
    void aWrongMountOptionIsNamed(String options, String named, @TempDir Path directory) {
        Tool tool = Tool.run("mount", "-f", "-o", options, "web", directory.toString());

        assertAll(
                () -> assertEquals(Exit.FAILED, tool.exit(), tool.err()),
                () -> assertTrue(tool.err().contains(named), tool.err()),
                () -> assertTrue(tool.err().contains("EINVAL"), tool.err()),
                () -> assertFalse(tool.err().contains("\tat "), tool.err()));
    }

    @Test
    void debugShowsWhereAnErrorWasSeen(@TempDir Path directory) {
        Tool tool = Tool.run("--debug", "mount", "-f", "-o", "fly", "web", directory.toString());

        assertTrue(tool.err().contains("\tat org.kexecfs."), tool.err());
    }

    @Test
    void anEmulatedKexecNeedsAnEmulation(@TempDir Path directory) {
        Tool tool = Tool.run("kexec", "--emulate", directory.resolve("none").toString());

        assertAll(
                () -> assertEquals(Exit.FAILED, tool.exit()),
                () -> assertTrue(tool.err().contains(directory.resolve("none").toString()), tool.err()));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "", "mount", "umount", "heal", "status", "ls", "kexec", "demo", "wait", "send", "recv", "memfd", "luo",
                "daemon"
            })
    void everyCommandHasHelpWithAnExample(String command) {
        Tool tool = command.isEmpty() ? Tool.run("--help") : Tool.run(command, "--help");

        assertAll(
                () -> assertEquals(Exit.OK, tool.exit()),
                () -> assertTrue(tool.out().contains("Example"), tool.out()),
                () -> assertTrue(tool.out().contains("kexecfs " + command), tool.out()));
    }

    @ParameterizedTest
    @ValueSource(strings = {"create", "retrieve", "preserve", "retrieve-fd", "finish", "get-name"})
    void everyCommandOfLuoHasHelpWithAnExample(String command) {
        Tool tool = Tool.run("luo", command, "--help");

        assertAll(
                () -> assertEquals(Exit.OK, tool.exit()),
                () -> assertTrue(tool.out().contains("Example"), tool.out()),
                () -> assertTrue(tool.out().contains("kexecfs luo " + command), tool.out()));
    }

    @Test
    void theVersionIsToldAsJson() {
        Tool tool = Tool.run("version", "--json");

        assertEquals(Exit.OK, tool.exit());
        assertTrue(tool.out().contains("\"interface\" : 1,"), tool.out());
        assertTrue(tool.out().contains("\"java\" : \"" + Runtime.version() + "\""), tool.out());
    }

    @ParameterizedTest
    @ValueSource(strings = {"--version", "version"})
    void theVersionIsToldBothWays(String argument) {
        Tool tool = Tool.run(argument);

        assertEquals(Exit.OK, tool.exit());
        assertTrue(tool.out().startsWith("kexecfs "), tool.out());
    }
}
