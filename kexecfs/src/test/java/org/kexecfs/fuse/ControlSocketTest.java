package org.kexecfs.fuse;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.kexecfs.fuse.CProgram.CLIENT;
import static org.kexecfs.fuse.CProgram.WITH_MEMFD;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import jnr.constants.platform.linux.Errno;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.Messages;
import org.kexecfs.posix.Messages.Message;
import org.kexecfs.posix.Sockets;

/** kexecfs.sock: descriptors in and out, for whoever could open(2) or link(2) there. */
class ControlSocketTest {
    private static final String SEND = WITH_MEMFD + " memory rw " + CLIENT + " kexecfs.sock preserve ";
    private static final String OPEN = CLIENT + " kexecfs.sock open ";

    private final Messages messages = new Messages(SocketRequest.LONGEST);

    private static Fd connect(Mounted m) {
        return m.keep(Sockets.connect(m.path("kexecfs.sock").toString()));
    }

    private void send(Fd connection, String text, Fd file) {
        messages.send(connection, text.getBytes(StandardCharsets.ISO_8859_1), Optional.ofNullable(file));
    }

    private Message receive(Fd connection) {
        return messages.receive(connection).orElseThrow();
    }

    private String ask(Fd connection, String text, Fd file) {
        send(connection, text, file);
        return said(receive(connection));
    }

    private static String said(Message message) {
        message.files().forEach(Fd::close);
        String text = new String(message.bytes(), StandardCharsets.UTF_8);
        // The errno's name; words follow it.
        return text.startsWith("1 error ") ? text.split(" ")[2] : text;
    }

    // ---- what it does

    @Test
    void isASocketThatEveryoneMaySee() {
        try (Mounted m = Mounted.with("")) {
            assertEquals("666 socket", m.sh("stat -c '%a %F' kexecfs.sock").succeeded());
            assertEquals("kexecfs.sock", m.sh("ls | grep sock").succeeded());
        }
    }

    @Test
    void preservesWhatIsSentToIt() {
        try (Mounted m = Mounted.with("")) {
            Fd memfd = m.memfd("before");
            assertEquals("1 ok", ask(connect(m), "1 preserve a b", memfd));
            memfd.pwrite(Fd.utf8("after."), 0);
            assertEquals("after.", m.read("a b"));
        }
    }

    @Test
    void theEntryIsWhoConnectedsAndClosedToOthers() {
        try (Mounted m = Mounted.with("mode=1777")) {
            m.shAsNobody(SEND + "ram0").succeeded();
            assertEquals("600 65534 65534", m.sh("stat -c '%a %u %g' ram0").succeeded());
        }
    }

    @Test
    void handsOutTheMemoryItself() {
        try (Mounted m = Mounted.with("")) {
            Fd memfd = m.memfd("0123456789");
            memfd.position(4);
            Fd connection = connect(m);
            assertEquals("1 ok", ask(connection, "1 preserve f", memfd));
            send(connection, "1 open rw f", null);
            Fd same = m.keep(receive(connection).files().getFirst());
            assertEquals(4, same.position());
            same.position(7);
            assertEquals(7, memfd.position(), "it is the very open file");
            send(connection, "1 open r f", null);
            Fd reads = m.keep(receive(connection).files().getFirst());
            memfd.pwrite(Fd.utf8("abc"), 0);
            assertEquals("abc3456789", Mounted.read(reads));
            assertEquals(7, reads.position());
            reads.position(1);
            assertEquals(7, memfd.position(), "it is an open file of its own");
        }
    }

    @Test
    void aHandedOutFileIsClaimed() {
        try (Mounted m = Mounted.with("")) {
            m.write("f", "x");
            m.write("kexecfs.prepare", "1");
            m.kexec("");
            m.sh(OPEN + "r f true; grep claimed kexecfs.files").succeeded();
        }
    }

    @Test
    void aRestoredFileIsHandedOutToo() {
        try (Mounted m = Mounted.with("")) {
            m.sh(SEND + "f; chmod 644 f; echo 1 > kexecfs.prepare").succeeded();
            m.kexec("");
            assertEquals("memory", m.shAsNobody(OPEN + "r f bash -c 'cat <&3'").succeeded());
            m.shAsNobody(OPEN + "r f bash -c 'echo x > /proc/self/fd/3'").failed("Permission denied");
            m.shAsNobody(OPEN + "r f bash -c 'echo x >&3'").failed("Bad file descriptor");
        }
    }

    // ---- who may

    @Test
    void accessIsThatOfOpen() {
        try (Mounted m = Mounted.with("mode=0755")) {
            m.sh(
                            "echo r > roots; chmod 600 roots; echo p > public; chmod 644 public; echo g > group; chown :4711 group;"
                                    + " chmod 060 group; mkdir -m 700 hidden; echo h > hidden/f; chmod 666 hidden/f")
                    .succeeded();
            m.shAsNobody(OPEN + "r roots cat").failed("EACCES");
            m.shAsNobody(OPEN + "rw public cat").failed("EACCES");
            m.shAsNobody(OPEN + "r public bash -c 'cat <&3'").succeeded();
            m.shAsNobody(OPEN + "r group cat").failed("EACCES");
            m.shAsNobody(OPEN + "r hidden/f cat").failed("EACCES");
            m.shAsNobody(SEND + "mine").failed("EACCES");
            m.shAsNobody(SEND + "hidden/mine").failed("EACCES");
            m.sh("setpriv --reuid=65534 --regid=65534 --groups=1,4711 " + OPEN + "rw group bash -c 'echo changed >&3'")
                    .succeeded();
            assertEquals("changed", m.read("group").strip());
        }
    }

    @Test
    void manyGroupsAreAllLookedAt() {
        try (Mounted m = Mounted.with("mode=0755")) {
            m.sh("echo g > f; chown :9300 f; chmod 040 f").succeeded();
            m.sh("setpriv --reuid=65534 --regid=65534 --groups=$(seq -s, 9000 9300) " + OPEN + "r f true")
                    .succeeded();
        }
    }

    @Test
    void rootWithoutItsCapabilityIsAnyUser() {
        try (Mounted m = Mounted.with("mode=0755")) {
            m.sh("echo x > f; chown 65534 f; chmod 600 f").succeeded();
            m.sh("setpriv --bounding-set=-dac_override " + OPEN + "r f true").failed("EACCES");
            m.sh(OPEN + "r f true").succeeded();
        }
    }

    @Test
    void theRootOfAnotherUserNamespaceIsNobodySpecial() {
        try (Mounted m = Mounted.with("mode=0755")) {
            m.sh("echo x > f; chmod 600 f").succeeded();
            m.sh("setpriv --reuid=65534 --regid=65534 --clear-groups unshare --user --map-root-user " + OPEN
                            + "r f true")
                    .failed("EACCES");
        }
    }

    @Test
    void aReadOnlyDescriptorCannotBecomeAWritableOne() {
        try (Mounted m = Mounted.with("mode=0755")) {
            m.sh(SEND + "f; chmod 644 f").succeeded();
            m.shAsNobody(OPEN + "r f bash -c 'echo x >&3'").failed("Bad file descriptor");
            m.shAsNobody(OPEN + "r f bash -c 'echo x > /proc/self/fd/3'").failed("Permission denied");
            m.shAsNobody(OPEN + "r f bash -c 'chmod 777 /proc/self/fd/3'").failed("Operation not permitted");
            assertEquals("memory", m.read("f"));
        }
    }

    @Test
    void whatWasLinkedReadOnlyIsNeverWritable() {
        try (Mounted m = Mounted.with("")) {
            m.sh(SEND.replace(" rw ", " r ") + "f; chmod 666 f").succeeded();
            m.sh(OPEN + "rw f true").failed("EACCES");
            assertEquals("memory", m.sh(OPEN + "r f bash -c 'cat <&3'").succeeded());
            m.sh("echo 1 > kexecfs.prepare").succeeded();
            m.kexec("");
            m.sh(OPEN + "rw f true").failed("EACCES");
            m.shAsNobody(OPEN + "r f bash -c 'echo x > /proc/self/fd/3'").failed("Permission denied");
        }
    }

    @Test
    void whatWasLinkedWriteOnlyIsNotHandedOut() {
        try (Mounted m = Mounted.with("")) {
            m.sh(SEND.replace(" rw ", " w ") + "f").succeeded();
            m.sh(OPEN + "r f true").failed("EACCES");
            m.sh(OPEN + "rw f true").failed("EACCES");
        }
    }

    @Test
    void aReadOnlyMountOnlyReads() {
        try (Mounted m = Mounted.with("")) {
            m.write("f", "x");
            String alone = "unshare --mount --propagation private sh -c 'mount -o remount,bind,ro " + m.directory()
                    + " && cd / && cd " + m.directory() + " && ";
            m.sh(alone + SEND + "g'").failed("EROFS");
            m.sh(alone + OPEN + "rw f true'").failed("EROFS");
            m.sh(alone + OPEN + "r f true'").succeeded();
        }
    }

    @Test
    void aProcessOfAnotherPidNamespaceNeedsNoRightOverAny() {
        try (Mounted m = Mounted.with("mode=1777")) {
            m.shAsNobody("unshare --user --pid --fork --map-root-user " + SEND + "f")
                    .succeeded();
            assertEquals("65534", m.sh("stat -c %u f").succeeded());
        }
    }

    @Test
    void nobodyElseMakesOrTakesItsName() {
        try (Mounted m = Mounted.with("")) {
            m.sh("rm kexecfs.sock").failed("Operation not permitted");
            m.sh("mv kexecfs.sock x").failed("Operation not permitted");
            m.sh("echo > f; mv -T f kexecfs.sock").failed("Operation not permitted");
            m.sh("ln kexecfs.sock x").failed("Operation not permitted");
            m.sh("chmod 600 kexecfs.sock").failed("Operation not permitted");
            m.sh("mkdir d; cd d; python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"kexecfs.sock\")'")
                    .failed("not supported");
        }
    }

    // ---- what it refuses

    @ParameterizedTest
    @ValueSource(
            strings = {
                "1",
                "1 ",
                "hello",
                "1 hello",
                "1 open",
                "1 open ",
                "1 open f",
                "1 open w f",
                "1 open r ",
                "1 open r /",
                "1 open r a/../f",
                "1 preserve ",
                "1 open r f\0",
                " 1 open r f",
                "1  open r f",
                "1 OPEN r f"
            })
    void whatIsNoRequest(String text) {
        try (Mounted m = Mounted.with("")) {
            assertEquals("EINVAL", ask(connect(m), text, null));
        }
    }

    @Test
    void whatCannotBeDone() {
        try (Mounted m = Mounted.with("")) {
            m.write("f", "x");
            Fd connection = connect(m);
            Fd memfd = m.memfd("x");
            assertEquals("EPROTONOSUPPORT", ask(connection, "2 open r f", null));
            assertEquals("ENOENT", ask(connection, "1 open r g", null));
            m.sh("mkdir d").succeeded();
            assertEquals("EISDIR", ask(connection, "1 open r d", null));
            assertEquals("ENOTDIR", ask(connection, "1 open r f/g", null));
            assertEquals("EEXIST", ask(connection, "1 preserve f", memfd));
            assertEquals("EPERM", ask(connection, "1 preserve kexecfs.x", memfd));
            assertEquals("EOPNOTSUPP", ask(connection, "1 preserve g", m.keep(Fd.event())));
            assertEquals("EINVAL", ask(connection, "1 preserve g", null));
            assertEquals("EINVAL", ask(connection, "1 open r f", memfd));
            assertEquals("ENAMETOOLONG", ask(connection, "1 open r " + "n".repeat(300), null));
            assertEquals("1 ok", ask(connection, "1 open r f", null));
        }
    }

    @Test
    void whatIsTooLong() {
        try (Mounted m = Mounted.with("")) {
            Fd connection = connect(m);
            new Messages(1 << 16)
                    .send(
                            connection,
                            ("1 open r " + "n/".repeat(30000)).getBytes(StandardCharsets.UTF_8),
                            Optional.empty());
            assertEquals("EINVAL", said(receive(connection)));
            assertEquals("ENOENT", ask(connection, "1 open r g", null));
        }
    }

    @Test
    void moreDescriptorsThanOne() {
        try (Mounted m = Mounted.with("")) {
            long before = files();
            m.sh("python3 - <<'E'\n"
                            + "import array, os, socket\n"
                            + "s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n"
                            + "s.connect('kexecfs.sock')\n"
                            + "fds = array.array('i', [os.memfd_create('m') for i in range(250)])\n"
                            + "for n in (2, 3, 250):\n"
                            + "    s.sendmsg([b'1 preserve f'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds[:n])])\n"
                            + "    assert s.recv(999).startswith(b'1 error EINVAL'), n\n"
                            + "s.sendmsg([b'garbage'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds[:1])])\n"
                            + "assert s.recv(999).startswith(b'1 error EINVAL')\n"
                            + "E")
                    .succeeded();
            Awaitility.await().until(() -> files() <= before);
        }
    }

    private static long files() {
        return new java.io.File("/proc/self/fd").list().length;
    }

    // ---- who stalls others

    @Test
    void aClientThatDoesNotReadIsDropped() {
        try (Mounted m = Mounted.with("")) {
            m.write("f", "x");
            Fd deaf = connect(m);
            Awaitility.await().atMost(Duration.ofSeconds(5)).until(() -> {
                try {
                    send(deaf, "1 open rw f", null);
                    return false;
                } catch (ErrnoException e) {
                    return e.is(Errno.EPIPE, Errno.ECONNRESET);
                }
            });
            assertEquals("1 ok", ask(connect(m), "1 open r f", null));
        }
    }

    @Test
    void aClientThatSaysNothingIsLeftAlone() {
        try (Mounted m = Mounted.with("")) {
            m.write("f", "x");
            Fd silent = connect(m);
            assertEquals("1 ok", ask(connect(m), "1 open r f", null));
            assertEquals("1 ok", ask(silent, "1 open r f", null));
        }
    }

    @Test
    void ofTooManyConnectionsTheLongestIdleIsClosed() {
        try (Mounted m = Mounted.with("")) {
            m.write("f", "x");
            List<Fd> all = new ArrayList<>();
            for (int i = 0; i < 300; i++) {
                all.add(connect(m));
                assertEquals("1 ok", ask(all.getLast(), "1 open r f", null));
                // In use now and then, so never the longest idle.
                assertEquals("1 ok", ask(all.getFirst(), "1 open r f", null));
            }
            Fails.with(Errno.EPIPE, () -> ask(all.get(1), "1 open r f", null));
            assertEquals("1 ok", ask(all.get(290), "1 open r f", null));
            long served = new java.io.File("/proc/self/fd").list().length;
            assertTrue(served < 600, served + " descriptors");
        }
    }

    @Test
    void anothersManyConnectionsCloseNoneOfOurs() {
        try (Mounted m = Mounted.with("mode=0755")) {
            m.sh("echo x > f; chmod 644 f").succeeded();
            Fd ours = connect(m);
            m.shAsNobody("python3 -c '\nimport socket\nall = []\nfor i in range(400):\n"
                            + "    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n"
                            + "    s.connect(\"kexecfs.sock\")\n    all.append(s)\n'")
                    .succeeded();
            assertEquals("1 ok", ask(ours, "1 open r f", null));
        }
    }

    /** Closing a file of a FUSE filesystem waits for its server. */
    @Test
    void aFileThatCannotBeClosedKeepsOnlyItsSender() throws Exception {
        try (Mounted m = Mounted.with("");
                StuckMount stuck = new StuckMount(m.base().resolve("stuck"))) {
            m.write("f", "x");
            Fd sender = connect(m);
            assertEquals("EOPNOTSUPP", ask(sender, "1 preserve g", stuck.open()));
            stuck.awaitClose();
            assertEquals("1 ok", ask(connect(m), "1 open r f", null));
            send(sender, "1 open r f", null);
            stuck.release();
            assertEquals("1 ok", said(receive(sender)));
            assertFalse(m.sh("ls").succeeded().contains("g\n"));
        }
    }
}
