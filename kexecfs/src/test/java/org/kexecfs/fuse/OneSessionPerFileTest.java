package org.kexecfs.fuse;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.Messages;
import org.kexecfs.posix.Sockets;

/** An open file is in one session of this host, whatever LUO and process each of them is on. */
class OneSessionPerFileTest {
    private final Mounted one = Mounted.with("");
    private final Path other = one.base().resolve("other");
    private Served otherServer;

    @BeforeEach
    void mountTheOther() throws IOException {
        Files.createDirectory(other);
        otherServer =
                Served.start(List.of(), "other", other, "emulate=" + one.base().resolve("luo of other"));
        assertEquals("mounted", otherServer.said());
    }

    @AfterEach
    void unmount() {
        otherServer.close();
        one.close();
    }

    private static String link(Path mount, Fd file, String name) {
        return Calls.said(Calls.C.link(
                mount.resolve("kexecfs.fd/self/" + file.number()).toString(),
                mount.resolve(name).toString()));
    }

    /** The file itself, by kexecfs.sock. */
    private Fd handedOut(String name) {
        Messages messages = new Messages(SocketRequest.LONGEST);
        Fd connection = one.keep(Sockets.connect(one.path("kexecfs.sock").toString()));
        messages.send(connection, Fd.utf8("1 open rw " + name), Optional.empty());
        return one.keep(messages.receive(connection).orElseThrow().files().getFirst());
    }

    @Test
    void whatOneHas_isBusyForTheOtherWhenItIsLinked() {
        Fd memfd = one.memfd("bytes");
        assertEquals("0", link(one.directory(), memfd, "ram0"));

        assertEquals("EBUSY", link(other, memfd, "ram0"));
        assertFalse(Files.exists(other.resolve("ram0")));
        assertEquals("0", link(one.directory(), memfd, "ram1"));
        assertEquals("2", one.sh("stat -c %h ram0").succeeded());
    }

    @Test
    void whatOneHasUnlinked_isFree() throws IOException {
        Fd memfd = one.memfd("bytes");
        assertEquals("0", link(one.directory(), memfd, "ram0"));
        one.sh("rm ram0").succeeded();

        assertEquals("0", link(other, memfd, "ram0"));
        assertEquals("bytes", Files.readString(other.resolve("ram0")));
    }

    @Test
    void whatASessionHadThatEnded_isFree() throws IOException {
        Fd memfd = one.memfd("bytes");
        assertEquals("0", link(one.directory(), memfd, "ram0"));
        one.remount("");

        assertEquals("0", link(other, memfd, "ram0"));
        assertEquals("bytes", Files.readString(other.resolve("ram0")));
    }

    @Test
    void aPlainFileThatWasHandedOut_isBusyForTheOther() {
        one.write("plain", "bytes");

        assertEquals("EBUSY", link(other, handedOut("plain"), "ram0"));
    }

    @Test
    void whatWasRestored_isBusyForTheOther() {
        one.write("plain", "bytes");
        one.sh("echo 1 > kexecfs.prepare").succeeded();
        one.kexec("");

        assertEquals("EBUSY", link(other, handedOut("plain"), "ram0"));
    }
}
