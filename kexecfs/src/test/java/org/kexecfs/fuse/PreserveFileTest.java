package org.kexecfs.fuse;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.kexecfs.fuse.CProgram.WITH_MEMFD;

import jnr.constants.platform.linux.Errno;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;

/** kexecfs.preserve: {@code FD NAME} preserves the caller's descriptor under a name. */
class PreserveFileTest {
    private static final String ECHO = WITH_MEMFD + " ram rw bash -c 'echo \"$0\" > kexecfs.preserve' ";

    private static void preserve(Mounted m, String command) {
        try (Fd file = Fd.open(m.path("kexecfs.preserve").toString(), Fd.O_WRONLY, 0)) {
            file.pwrite(command.getBytes(java.nio.charset.StandardCharsets.ISO_8859_1), 0);
        }
    }

    @Test
    void preservesTheCallersOpenFileItself() {
        try (Mounted m = Mounted.with("")) {
            Fd memfd = m.memfd("before");
            preserve(m, memfd.number() + " ram0\n");
            memfd.pwrite(Fd.utf8("after."), 0);
            assertEquals("after.", m.read("ram0"));
        }
    }

    @Test
    void theEntryIsItsProcesssOwnersAndClosedToOthers() {
        try (Mounted m = Mounted.with("mode=1777")) {
            m.shAsNobody(ECHO + "'3 ram0'").succeeded();
            assertEquals("600 65534 65534 3", m.sh("stat -c '%a %u %g %s' ram0").succeeded());
        }
    }

    @Test
    void takesANameInADirectory() {
        try (Mounted m = Mounted.with("")) {
            m.sh("mkdir -p a/b; " + ECHO + "'3 a/b/ram0'; cat a/b/ram0").succeeded();
        }
    }

    @Test
    void takesANameOfAnyBytes() {
        try (Mounted m = Mounted.with("")) {
            preserve(m, m.memfd("x").number() + " a b\n\n");
            assertEquals("x", m.read("a b\n"));
            preserve(m, m.memfd("y").number() + "  \t\u00ff");
            assertEquals("y", m.sh("cat $' \\t\\xff'").succeeded());
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "\n",
                " ",
                "3",
                "3 ",
                "3 \n",
                "3\n",
                "name",
                "3name",
                "x name",
                "-1 name",
                "+3 name",
                " 3 name",
                "03 name",
                "3\tname",
                "3 /",
                "3 .",
                "3 ..",
                "3 a/../b",
                "3 a\0b",
                "9999999999 name",
                "0x3 name"
            })
    void refusesWhatIsNotAsDescribed(String command) {
        try (Mounted m = Mounted.with("")) {
            if (command.isEmpty()) {
                return; // write(2) of nothing does not come here
            }
            Fails.with(Errno.EINVAL, () -> preserve(m, command));
        }
    }

    @Test
    void failsAsLinkDoes() {
        try (Mounted m = Mounted.with("")) {
            int memfd = m.memfd("x").number();
            int event = m.keep(Fd.event()).number();
            m.write("there", "");
            Fails.with(Errno.ENOENT, () -> preserve(m, "99999 name"));
            Fails.with(Errno.EEXIST, () -> preserve(m, memfd + " there"));
            Fails.with(Errno.ENOENT, () -> preserve(m, memfd + " nowhere/name"));
            Fails.with(Errno.ENOTDIR, () -> preserve(m, memfd + " there/name"));
            Fails.with(Errno.EPERM, () -> preserve(m, memfd + " kexecfs.mine"));
            Fails.with(Errno.ENAMETOOLONG, () -> preserve(m, memfd + " " + "n".repeat(256)));
            Fails.with(Errno.EOPNOTSUPP, () -> preserve(m, event + " name"));
            Fails.with(Errno.EINVAL, () -> preserve(m, memfd + " " + "n/".repeat(3000)));
            m.sh("echo 1 > kexecfs.prepare").succeeded();
            Fails.with(Errno.EBUSY, () -> preserve(m, memfd + " name"));
        }
    }

    @Test
    void isWrittenByWhomTheRootIsWritable() {
        try (Mounted m = Mounted.with("mode=0755")) {
            assertEquals("200 0 0", m.sh("stat -c '%a %u %g' kexecfs.preserve").succeeded());
            m.shAsNobody(ECHO + "'3 ram0'").failed("Permission denied");
            m.sh("chmod 1777 .").succeeded();
            assertEquals("222 0 0", m.sh("stat -c '%a %u %g' kexecfs.preserve").succeeded());
            m.shAsNobody(ECHO + "'3 ram0'").succeeded();
            m.sh("chown 65534 .; chmod 0755 .").succeeded();
            m.shAsNobody(ECHO + "'3 ram1'").succeeded();
        }
    }

    @Test
    void aDirectoryOfSomebodyElseIsClosed() {
        try (Mounted m = Mounted.with("mode=1777")) {
            m.sh("mkdir -m 755 roots; mkdir -m 777 open; mkdir -m 700 hidden; mkdir -m 777 hidden/open")
                    .succeeded();
            m.shAsNobody(ECHO + "'3 roots/ram'").failed("Permission denied");
            m.shAsNobody(ECHO + "'3 hidden/open/ram'").failed("Permission denied");
            m.shAsNobody(ECHO + "'3 open/ram'").succeeded();
        }
    }

    @Test
    void aProcessWithOtherCredentialsThanWhoOpenedItIsRefused() {
        try (Mounted m = Mounted.with("mode=1777")) {
            // Root opened it. That a set-uid program says something on it is the same the other way round.
            m.sh(
                            WITH_MEMFD
                                    + " ram rw setpriv --reuid=65534 --regid=65534 --clear-groups bash -c 'echo 3 ram' > kexecfs.preserve")
                    .failed("Operation not permitted");
            m.sh(WITH_MEMFD + " ram rw bash -c 'echo 3 ram' > kexecfs.preserve").succeeded();
        }
    }

    @Test
    void aReadOnlyMountIsReadOnly() {
        try (Mounted m = Mounted.with("ro")) {
            m.sh(ECHO + "'3 ram0'").failed("Read-only file system");
        }
    }

    /** Closing a file of a FUSE filesystem waits for its server; requests are answered all the same. */
    @Test
    void filesThatCannotBeClosedStallNobody() throws Exception {
        try (Mounted m = Mounted.with("mode=1777");
                StuckMount stuck = new StuckMount(m.base().resolve("stuck"))) {
            Fd file = stuck.open();
            for (int i = 0; i < 20; i++) {
                assertThrows(ErrnoException.class, () -> preserve(m, file.number() + " name"));
                assertThrows(ErrnoException.class, () -> MoreLibc.hardLink(m.source(file), m.path("name")));
            }
            Fails.with(Errno.EMFILE, () -> preserve(m, file.number() + " name"));
            // No program is run meanwhile: it would close the file, too, when it begins.
            assertEquals("normal", m.state());
            stuck.release();
            Fd memfd = m.memfd("x");
            Awaitility.await().ignoreExceptions().until(() -> {
                preserve(m, memfd.number() + " mine");
                return true;
            });
        }
    }
}
