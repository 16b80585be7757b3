package org.kexecfs.tool;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Commands with a private mount, over the emulation. Needs root and /dev/fuse. */
class PrivateMountIT {
    private static final String RUN = "kexecfs mount --private -o emulate=luo private-it -- ";

    @TempDir
    private Path work;

    private Image image;

    @BeforeEach
    void makeImage() {
        image = new Image(work);
    }

    @AfterEach
    void nothingIsLeft() throws Exception {
        assertEquals("", image.sh("ls -A luo/mounted"), "the session is mounted still");
    }

    private String said(String command) throws IOException, InterruptedException {
        return image.sh(command + " 2>messages");
    }

    @Test
    void theCommandHasTheMountByItsNumberAndByItsPath() throws Exception {
        assertEquals(
                "normal\n1 /proc/self/fd/3/a/proc/self/fd/3/b\n",
                said(RUN + "sh -c 'echo 1 >/proc/self/fd/$KEXECFS_FD/a; cat \"$1\"; echo $(cat $2) $3' sh"
                        + " {}/kexecfs.state {}/a {}/a{}/b"));
        assertEquals("normal\n", said("kexecfs mount -o private,emulate=luo private-it cat {}/kexecfs.state"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "true | 0",
                "sh -c 'exit 42' | 42",
                "sh -c 'kill -9 $$' | 137",
                "no-such-program | 127",
                "/etc/passwd | 126",
            })
    void theExitCodeIsTheCommands(String command, int exit) throws Exception {
        assertEquals(exit, image.run(RUN + command).exit());
    }

    @Test
    void whatFailsBeforeHasTheToolsOwnCode() throws Exception {
        Image.Result busy = image.run(RUN + RUN + "true");

        assertEquals(Exit.BUSY, busy.exit(), busy.output());
        assertTrue(busy.output().contains("mounted already, privately by process"), busy.output());
        assertEquals(
                Exit.FAILED,
                image.run("kexecfs mount --private -o fly private-it -- true").exit());
    }

    @Test
    void argumentsThatLookLikeOursAndAnyBytesAreTheCommands() throws Exception {
        assertEquals(
                "-o @messages  \\377 --private -- \n",
                said(
                        RUN
                                + "sh -c 'printf \"%s \" \"$1\" \"$2\" \"$3\"; printf %s \"$4\" | od -An -to1 | sed \"s/^ /\\\\\\/\""
                                + " | tr \"\\n\" \" \"; echo \"$5\" \"$6 \"' sh -o @messages '' \"$(printf '\\377')\" --private --"));
    }

    @Test
    void theRestIsAsItWasForWhoStartedIt() throws Exception {
        String show = "sh -c 'env | grep -v ^KEXECFS_FD= | grep -v ^_= | sort; ulimit -Sn; ulimit -Hn; umask; pwd;"
                + " grep -E \"^(SigBlk|SigIgn):\" /proc/self/status; cat <&7'";
        for (String before : new String[] {
            "", "export LC_ALL=C MALLOC_ARENA_MAX=5; ulimit -Sn 500; ulimit -Hn 600; umask 027; ", "trap '' INT; "
        }) {
            String setting = before + "echo seven >7; exec 7<7; ";
            assertEquals(said(setting + show), said(setting + RUN + show));
        }
    }

    @Test
    void noDescriptorOfOursLeaks() throws Exception {
        assertEquals(
                "0 1 2 3 4 7 \n",
                said("exec 7</dev/null; " + RUN + "sh -c 'ls /proc/self/fd | sort -n | tr \"\\n\" \" \"; echo'"));
        assertEquals(
                "0 1 2 3 4 5 \n",
                said("exec 3</dev/null; " + RUN + "sh -c 'ls /proc/self/fd | sort -n | tr \"\\n\" \" \"; echo'"));
    }

    @Test
    void itIsInNoMountTable() throws Exception {
        assertEquals(
                "none\n",
                said(
                        RUN
                                + "sh -c 'grep \"fuse.kexecfs private-it \" /proc/self/mountinfo /proc/$PPID/mountinfo || echo none'"));
        assertEquals(
                Exit.NOT_MOUNTED, image.run(RUN + "kexecfs status private-it").exit());
    }

    @Test
    void itIsServedAsLongAsAnybodyHasIt() throws Exception {
        // The command ends at once; what it left behind goes on, and ends with the pipe that it reads.
        image.sh("mkfifo go; " + RUN
                + "sh -c '{ read go <go; echo late >{}/a; cat {}/a >said; } >/dev/null 2>&1 & exit 5' 2>messages &"
                + " server=$!; exec 8>go; ! timeout 1 tail -s 0.1 --pid=$server -f /dev/null; test ! -e said"
                + " && echo >&8; wait $server; test $? = 5");
        assertEquals("late\n", Files.readString(work.resolve("said")));
    }

    @Test
    void aCommandThatClosesItIsWaitedFor() throws Exception {
        assertEquals(
                "\nended\n",
                said(RUN + "sh -c 'exec 3<&-; while [ -n \"$(ls luo/mounted)\" ]; do sleep 0.05; done; ls luo/mounted;"
                        + " echo; echo ended'"));
    }

    @ParameterizedTest
    @CsvSource({"TERM, TERM", "HUP, TERM"})
    void aSignalToUsIsTheCommands(String signal, String commands) throws Exception {
        Image.Result result = image.run(RUN + "sh -c 'trap \"echo told; exit 9\" " + commands + "; kill -" + signal
                + " $PPID; while :; do sleep 0.05; done' 2>messages");

        assertAll(() -> assertEquals(9, result.exit()), () -> assertEquals("told\n", result.output()));
    }

    @Test
    void aKeyOfTheTerminalIsTheCommandsToObey() throws Exception {
        assertEquals(
                "normal\n",
                said(
                        RUN
                                + "sh -c 'trap : INT QUIT; kill -INT $PPID; kill -QUIT $PPID; sleep 0.2; cat {}/kexecfs.state'"));
    }

    @Test
    void whatIsPreparedComesBackThroughAnEmulatedKexec() throws Exception {
        Image.Result before = image.run(
                RUN + "sh -c 'echo kept >{}/a; echo 1 >{}/kexecfs.prepare; kexecfs kexec --emulate luo; cat {}/a'");
        assertTrue(before.output().contains("handed over: private-it"), before.output());
        assertEquals(137, before.exit(), before.output());

        assertEquals("updated\nkept\n", said(RUN + "sh -c 'cat {}/kexecfs.state {}/a; echo 1 >{}/kexecfs.finish'"));
        assertEquals("normal\n0\n", said(RUN + "sh -c 'cat {}/kexecfs.state; ls {}/ | grep -c a$; true'"));
    }
}
