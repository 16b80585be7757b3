package org.kexecfs.fuse;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.kexecfs.fuse.Mounted.read;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.StandardOpenOption;
import java.util.List;
import jnr.constants.platform.linux.Errno;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.FileStatus;
import org.kexecfs.posix.Names;
import org.kexecfs.posix.Time;

/** Files in a mount, as programs use them. */
class FilesTest {
    private Mounted mounted;

    @BeforeEach
    void mount() {
        mounted = Mounted.with("mode=1777,size=1m,nr_inodes=100");
    }

    @AfterEach
    void unmount() {
        mounted.close();
    }

    @Test
    void cpTeeDdAndTarPutFilesIn_withTheirContentsModesAndTimes() {
        mounted.sh("""
                        set -e
                        src=$1/src; mkdir $src
                        head -c 100000 /dev/urandom > $src/random
                        printf hello > $src/hello; chmod 640 $src/hello; touch -d '2020-02-02 02:02:02.123456789' $src/hello
                        cp -p $src/hello copied
                        tee teed < $src/random > /dev/null
                        dd if=$src/random of=written bs=4k 2> /dev/null
                        dd if=/dev/zero of=sparse bs=1 count=1 seek=50000 2> /dev/null
                        tar -C $1 -cf - src | tar xf -
                        cmp $src/random teed
                        cmp $src/random written
                        cmp $src/random src/random
                        cmp $src/hello src/hello
                        test $(stat -c %s sparse) = 50001
                        test "$(stat -c '%a %y' copied)" = "640 2020-02-02 02:02:02.123456789 +0000"
                        test "$(stat -c '%a %y' src/hello)" = "640 2020-02-02 02:02:02.000000000 +0000"
                        """, mounted.base()).succeeded();
    }

    @Test
    void lsShowsWhatThereIs_kexecfssOwnAmongIt() {
        mounted.sh("printf abc > b; ln b a; mkdir d").succeeded();

        List<String> names = List.of(mounted.sh("echo *").succeeded().split(" "));
        assertEquals(
                List.of("a", "b", "d"),
                names.stream().filter(n -> !n.startsWith("kexecfs.")).toList());
        assertTrue(names.containsAll(List.of(
                "kexecfs.cancel",
                "kexecfs.error",
                "kexecfs.fd",
                "kexecfs.files",
                "kexecfs.finish",
                "kexecfs.info",
                "kexecfs.prepare",
                "kexecfs.state")));
        assertEquals(
                "regular file 644 2 0 0 3",
                mounted.sh("umask 022; stat -c '%F %a %h %u %g %s' a").succeeded());
        assertEquals("directory 755 2", mounted.sh("stat -c '%F %a %h' d").succeeded());
        assertEquals("directory 1777 1", mounted.sh("stat -c '%F %a %i' .").succeeded());
        assertTrue(mounted.sh("ls -la").succeeded().contains("kexecfs.state"));
    }

    @Test
    void anInodeNumberIsTheFilesOwn() {
        mounted.sh("echo > a; ln a b; echo > c").succeeded();

        assertEquals(
                "same", mounted.sh("[ a -ef b ] && ! [ a -ef c ] && echo same").succeeded());
        assertEquals(
                "same",
                mounted.sh("[ $(ls -id a | cut -d' ' -f1) = $(stat -c %i b) ] && echo same")
                        .succeeded());
    }

    @Test
    void dfAndDuTellLimitsAndUse() {
        mounted.sh("head -c 65536 /dev/zero > a").succeeded();

        assertEquals(
                "1048576 65536 983040",
                mounted.sh("df -B1 --output=size,used,avail . | tail -1 | xargs")
                        .succeeded());
        assertEquals(
                "100 1 99",
                mounted.sh("df --output=itotal,iused,iavail . | tail -1 | xargs")
                        .succeeded());
        assertEquals("64", mounted.sh("du -k a | cut -f1").succeeded());
    }

    @Test
    void pastTheLimitsThereIsNoSpace() {
        mounted.sh("head -c 2m /dev/zero > a").failed("No space left on device");
        mounted.sh("rm a; for i in $(seq 101); do : > f$i || exit 1; done").failed("No space left on device");
        assertEquals("100", mounted.sh("ls | grep -c ^f").succeeded());
        mounted.sh("rm f*; echo again > a").succeeded();
    }

    @Test
    void appendTruncateAndOTrunc() {
        mounted.sh("printf one > a; printf two >> a; printf three >> a").succeeded();
        assertEquals("onetwothree", mounted.read("a"));

        mounted.sh("truncate -s 3 a").succeeded();
        assertEquals("one", mounted.read("a"));

        mounted.sh("truncate -s 5 a").succeeded();
        assertEquals("one\0\0", mounted.read("a"));

        mounted.sh("printf x > a").succeeded();
        assertEquals("x", mounted.read("a"));

        Fd file = mounted.open("a", Fd.O_RDWR);
        file.truncate(0);
        assertEquals(0, size(file));
        assertEquals("", mounted.read("a"));
    }

    @Test
    void twoThatAppendLoseNothing() {
        mounted.sh("""
                        (for i in $(seq 200); do echo one >> a; done) 2> $1/one &
                        (for i in $(seq 200); do echo two >> a; done) 2> $1/two &
                        wait
                        """, mounted.base()).succeeded();

        assertEquals("", mounted.sh("cat $1/one $1/two", mounted.base()).succeeded());
        assertEquals(
                "200 200",
                mounted.sh("echo $(grep -cx one a) $(grep -cx two a)").succeeded());
    }

    @Test
    void anOpenFileLivesOnWithoutAName() {
        Fd file = mounted.open("a", Fd.O_RDWR | Fd.O_CREAT);
        file.pwrite(Fd.utf8("still here"), 0);
        assertEquals(0, MoreLibc.C.unlink(mounted.path("a").toString()));

        assertEquals(
                "0 10",
                mounted.sh(
                                "stat -Lc '%h %s' /proc/$1/fd/$2",
                                ProcessHandle.current().pid(), file.number())
                        .succeeded());
        assertEquals("still here", read(file));
        file.pwrite(Fd.utf8("S"), 0);
        file.truncate(5);
        assertEquals("Still", read(file));
        assertEquals("", mounted.sh("ls | grep -v ^kexecfs || true").succeeded());
        assertTrue(mounted.read("kexecfs.info").contains("entries 0\n"));
    }

    @Test
    void aRenameOverAnOpenFileReplacesItsName_andNotItsContent() {
        mounted.write("old", "old content");
        mounted.write("new", "new content");
        Fd old = mounted.open("old", Fd.O_RDONLY);

        Names.rename(mounted.path("new"), mounted.path("old"));

        assertEquals("new content", mounted.read("old"));
        assertEquals("old content", read(old));
        Fails.with(Errno.ENOENT, () -> mounted.read("new"));
    }

    @Test
    void renameAsRename2HasIt() {
        mounted.sh("""
                        set -e
                        mkdir d e full; echo x > f; echo x > full/x
                        ! mv -T d f 2> /dev/null
                        ! mv -T f d 2> /dev/null
                        ! mv -T d full 2> /dev/null
                        ! mv d d/below 2> /dev/null
                        mv -T d e
                        mv full e/moved
                        test -f e/moved/x
                        ! rmdir e 2> /dev/null
                        rm e/moved/x; rmdir e/moved; rmdir e
                        """).succeeded();
    }

    @Test
    void namesOfAnyBytes_andNoLonger() {
        String longest = "n".repeat(255);
        mounted.write(longest, "longest");
        assertEquals("longest", mounted.read(longest));
        Fails.with(Errno.ENAMETOOLONG, () -> mounted.write(longest + "n", ""));
        mounted.sh(
                        "printf 1 > $'tab\\there'; printf 2 > $'new\\nline'; printf 3 > $'no utf-8 \\xff'; printf 4 > $'\\\\'")
                .succeeded();

        assertEquals(
                "1234",
                mounted.sh("cat $'tab\\there' $'new\\nline' $'no utf-8 \\xff' $'\\\\'")
                        .succeeded());
        List<String> lines = mounted.read("kexecfs.files").lines().toList();
        assertEquals(6, lines.size(), lines.toString());
        for (String escaped : List.of("tab\\011here", "new\\012line", "no utf-8 \\377", "\\134")) {
            assertTrue(lines.stream().anyMatch(line -> line.endsWith("\t" + escaped)), lines.toString());
        }
    }

    @Test
    void reservedNamesAreRefused() {
        mounted.write("a", "");
        Fails.with(Errno.EPERM, () -> mounted.write("kexecfs.mine", ""));
        Fails.with(Errno.EPERM, () -> Names.mkdir(mounted.path("kexecfs.d"), 0700));
        Fails.with(Errno.EPERM, () -> Names.rename(mounted.path("a"), mounted.path("kexecfs.a")));
        Fails.with(Errno.EPERM, () -> MoreLibc.hardLink(mounted.path("a"), mounted.path("kexecfs.a")));
        Fails.with(Errno.EPERM, () -> Names.rename(mounted.path("kexecfs.state"), mounted.path("b")));
        Fails.with(Errno.EPERM, () -> MoreLibc.hardLink(mounted.path("kexecfs.state"), mounted.path("b")));
        Fails.with(
                Errno.EPERM,
                () -> MoreLibc.check(
                        MoreLibc.C.unlink(mounted.path("kexecfs.state").toString()), "unlink"));
        mounted.sh("chmod 777 kexecfs.state").failed("Operation not permitted");
        mounted.sh("chown 1 kexecfs.fd").failed("Operation not permitted");
    }

    @Test
    void whatIsNoMemoryCannotBeMade() {
        mounted.sh("mkfifo p").failed("Operation not supported");
        mounted.sh("mknod c c 1 3").failed("Operation not supported");
        mounted.sh("ln -s a b").failed("Operation not permitted");
    }

    @Test
    void ownersAndModesAreKept_andAskedBeforeEveryAccess() {
        mounted.sh("umask 0; printf secret > a; chmod 600 a; printf theirs > b; chown 65534:65534 b")
                .succeeded();

        mounted.shAsNobody("cat a").failed("Permission denied");
        mounted.shAsNobody("echo x > a").failed("Permission denied");
        mounted.shAsNobody("chmod 777 a").failed("Operation not permitted");
        mounted.shAsNobody("rm -f a").failed("Operation not permitted"); // The root is sticky.
        assertEquals(
                "theirs",
                mounted.shAsNobody("cat b; chmod 600 b; printf mine > c").succeeded());
        assertEquals("65534 65534 600", mounted.sh("stat -c '%u %g %a' b").succeeded());
        assertEquals("65534 65534", mounted.sh("stat -c '%u %g' c").succeeded());
    }

    @Test
    void timesAreKeptToTheNanosecond() {
        mounted.write("a", "");
        Fd file = mounted.open("a", Fd.O_RDWR);

        file.setTimes(new Time(1, 2), new Time(-3, 999_999_999));

        FileStatus status = FileStatus.of(mounted.path("a").toString());
        assertEquals(new Time(1, 2), status.accessed());
        assertEquals(new Time(-3, 999_999_999), status.modified());
        mounted.sh("touch a").succeeded();
        assertTrue(FileStatus.of(mounted.path("a").toString()).modified().seconds() > 1_600_000_000);
    }

    @Test
    void aWriteThroughAnyDescriptorIsSeenThroughEveryOther() {
        Fd memfd = mounted.memfd("0123456789");
        MoreLibc.hardLink(mounted.source(memfd), mounted.path("ram0"));
        Fd inMount = mounted.open("ram0", Fd.O_RDWR);
        assertEquals("0123456789", read(inMount));

        memfd.pwrite(Fd.utf8("AB"), 0);
        assertEquals("AB23456789", read(inMount));

        inMount.pwrite(Fd.utf8("CD"), 2);
        assertEquals("ABCD456789", read(memfd));
        assertEquals("ABCD456789", mounted.read("ram0"));

        memfd.truncate(3);
        assertEquals(3, size(inMount));
        assertEquals("ABC", mounted.read("ram0"));

        mounted.sh("printf EFGH >> ram0").succeeded();
        assertEquals("ABCEFGH", read(memfd));
        assertEquals(7, size(inMount));
    }

    /** fstat(2): with what the mount says now, which {@link Fd#status} does not ask for. */
    private static long size(Fd file) {
        return FileStatus.of("/proc/self/fd/" + file.number()).size();
    }

    @Test
    void whatIsLargerThanARequestIsReadAndWrittenWhole() {
        assertEquals(
                "same",
                mounted.sh("head -c 900000 /dev/urandom > $1/r; cat $1/r > a; cmp a $1/r && echo same", mounted.base())
                        .succeeded());
    }

    /** With passthrough a mapping is of the memory itself; without, the kernel does not map a file of direct_io. */
    @Test
    void aSharedMappingIsOfTheMemoryItself_orRefused() throws IOException {
        Fd memfd = mounted.memfd("0123456789");
        MoreLibc.hardLink(mounted.source(memfd), mounted.path("ram0"));
        boolean passthrough = mounted.read("kexecfs.info").contains("passthrough yes");
        try (FileChannel channel =
                FileChannel.open(mounted.path("ram0"), StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            // An arena's mapping ends with it; others keep the mount busy until they are collected.
            try (Arena arena = Arena.ofConfined()) {
                if (passthrough) {
                    MemorySegment mapping = channel.map(FileChannel.MapMode.READ_WRITE, 0, 10, arena);
                    mapping.set(ValueLayout.JAVA_BYTE, 0, (byte) 'X');
                    assertEquals("X123456789", read(memfd));
                    memfd.pwrite(Fd.utf8("Y"), 1);
                    assertEquals((byte) 'Y', mapping.get(ValueLayout.JAVA_BYTE, 1));
                } else {
                    IOException e = assertThrows(
                            IOException.class, () -> channel.map(FileChannel.MapMode.READ_WRITE, 0, 10, arena));
                    assertTrue(e.getMessage().contains("No such device"), e.getMessage());
                }
            }
        }
    }

    @Test
    void aHundredAndOneReadersAndWritersAtOnce() {
        mounted.sh("""
                        for i in $(seq 20); do
                            (for j in $(seq 5); do echo $i.$j > f$i; mv f$i g$i; cat g$i > /dev/null; ln g$i h$i; rm g$i h$i; done) &
                        done
                        wait
                        """).succeeded();

        assertTrue(mounted.read("kexecfs.info").contains("entries 0\n"));
    }
}
