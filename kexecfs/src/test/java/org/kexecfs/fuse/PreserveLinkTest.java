package org.kexecfs.fuse;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.kexecfs.luo.LiveUpdateSession;
import org.kexecfs.posix.Fd;

/** A mount with preserve=link, and kexecs that nobody prepared. */
class PreserveLinkTest {
    private static final String LINK = "preserve=link";

    private Mounted mounted;

    @BeforeEach
    void mount() {
        mounted = Mounted.with(LINK);
    }

    @AfterEach
    void unmount() {
        mounted.close();
    }

    @Test
    void whatProgramsClosedAndLinkedIsThereAfterAKexec() throws Exception {
        mounted.sh("""
                echo plain >plain
                printf 'one\\n' >log && printf 'two\\n' >>log
                mkdir d && cp plain d/copy && mv d/copy d/moved
                dd if=/dev/zero of=zeros bs=64k count=20 2>/dev/null
                truncate -s 10000 sparse
                cp plain gone && rm gone
                echo new >tmp && mv tmp plain
                ln plain second && touch empty""").succeeded();
        Fd memfd = mounted.memfd("by a program");
        MoreLibc.hardLink(mounted.source(memfd), mounted.path("memfd"));
        assertEquals("preserved", status("plain"));

        mounted.kexec(LINK);

        assertEquals("updated", mounted.state());
        assertEquals("", mounted.read("kexecfs.error"));
        assertEquals("new\n", mounted.read("second"));
        assertEquals("one\ntwo\n", mounted.read("log"));
        assertEquals("plain\n", mounted.read("d/moved"));
        assertEquals("by a program", mounted.read("memfd"));
        assertEquals(
                "d empty log memfd plain second sparse zeros 10000 1310720",
                mounted.sh("echo $(ls -I 'kexecfs.*') $(stat -c %s sparse zeros)")
                        .succeeded());
    }

    @Test
    void infoSaysWhenFilesArePreserved() {
        assertTrue(mounted.read("kexecfs.info").contains("\npreserve link\n"));
    }

    @Test
    void whatLuoSaysIsTheErrnoOfClose_andFsyncTriesAgain() {
        try (LiveUpdateSession inTheWay = mounted.luo().createSession("vm/1")) {
            mounted.sh("cp /etc/passwd a").failed("failed to close 'a': File exists");

            assertTrue(mounted.read("kexecfs.error").startsWith("entry a could not be handed to LUO: "));
            assertEquals("linked", status("a"));
            assertEquals("vm/1", inTheWay.name());
        }

        mounted.sh("sync a").succeeded();

        assertEquals("preserved", status("a"));
    }

    @Test
    void fsyncHandsOverWhatStaysOpen() {
        Fd log = mounted.open("log", Fd.O_RDWR | Fd.O_CREAT);
        log.pwrite(Fd.utf8("one\n"), 0);
        log.pwrite(Fd.utf8("two\n"), 4);
        assertEquals("linked", status("log"));

        mounted.sh("sync log").succeeded();

        assertEquals("preserved", status("log"));
        log.close();
        mounted.kexec(LINK);
        assertEquals("one\ntwo\n", mounted.read("log"));
    }

    @Test
    void whatWasGrowingIsMissing_andWhatWasNotClosedIsNotThere() {
        mounted.sh("echo one >log && echo kept >kept").succeeded();
        Fd log = mounted.open("log", Fd.O_RDWR);
        log.pwrite(Fd.utf8("two\n"), 4);
        Fd unmade = mounted.open("new", Fd.O_RDWR | Fd.O_CREAT);
        unmade.pwrite(Fd.utf8("bytes"), 0);

        mounted.luo().kexec();
        log.close();
        unmade.close();
        mounted.remount(LINK);

        assertEquals("updated", mounted.state());
        assertTrue(mounted.read("kexecfs.error").startsWith("missing: log ("), mounted.read("kexecfs.error"));
        assertEquals("kept log", mounted.sh("echo $(ls -I 'kexecfs.*')").succeeded());
        mounted.sh("cat log").failed("Input/output error");
        mounted.write("kexecfs.finish", "1");
        assertEquals("kept", mounted.sh("echo $(ls -I 'kexecfs.*')").succeeded());
    }

    @Test
    void aMappingActsOnTheMemory_andTheSizeItHasStays() throws Exception {
        try (RandomAccessFile file = new RandomAccessFile(mounted.path("ram").toFile(), "rw");
                Arena arena = Arena.ofConfined()) {
            file.setLength(1 << 20);
            MemorySegment ram = file.getChannel().map(FileChannel.MapMode.READ_WRITE, 0, 1 << 20, arena);
            assertEquals("preserved", status("ram"));

            ram.set(ValueLayout.JAVA_BYTE, 4096, (byte) 'x');
            mounted.luo().kexec();
        }
        mounted.remount(LINK);

        assertEquals(
                "x", mounted.sh("dd if=ram bs=1 skip=4096 count=1 2>/dev/null").succeeded());
    }

    @Test
    void whoOpenedAFileBeforeTheFinishMayStillMakeItLonger() {
        mounted.sh("echo one >log").succeeded();
        mounted.kexec(LINK);
        Fd log = mounted.open("log", Fd.O_RDWR);
        log.pwrite(Fd.utf8("two\n"), 4);
        mounted.write("kexecfs.finish", "1");
        assertEquals("preserved", status("log"));

        log.pwrite(Fd.utf8("three\n"), 8);
        log.close();

        mounted.kexec(LINK);
        assertEquals("one\ntwo\nthree\n", mounted.read("log"));
    }

    @Test
    void whoIsKilledHasClosed() {
        mounted.sh("bash -c 'exec 3>a; echo bytes >&3; kill -9 $$'; true").succeeded();

        mounted.kexec(LINK);

        assertEquals("bytes\n", mounted.read("a"));
    }

    /** Not by another program: to start one is to close its copies of what is open here. */
    private String status(String name) {
        return mounted.read("kexecfs.files")
                .lines()
                .map(line -> line.split("\t"))
                .filter(fields -> fields[4].equals(name))
                .map(fields -> fields[3])
                .findFirst()
                .orElseThrow();
    }
}
