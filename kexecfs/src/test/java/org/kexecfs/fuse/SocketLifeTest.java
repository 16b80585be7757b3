package org.kexecfs.fuse;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.kexecfs.fuse.CProgram.CLIENT;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import jnr.constants.platform.linux.Errno;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.Messages;
import org.kexecfs.posix.Sockets;

/** That kexecfs.sock keeps no mount busy, and ends with the last one. */
class SocketLifeTest {
    private static final Duration SOON = Duration.ofSeconds(1);

    private static boolean hasEnded(Mounted m) {
        Thread waiting = new Thread(() -> {
            try {
                m.mount().awaitUnmounted();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
        waiting.setDaemon(true);
        waiting.start();
        try {
            return waiting.join(SOON);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void umountWorksAtOnceAndEndsTheSession() {
        try (Mounted m = Mounted.with("")) {
            Fd connected = m.keep(Sockets.connect(m.path("kexecfs.sock").toString()));
            Shell.bash("umount " + m.directory()).succeeded();
            assertTrue(hasEnded(m));
            Fails.with(Errno.EPIPE, () -> new Messages(10).receive(connected));
        }
    }

    @Test
    void aBindMountIsTheSameSocketAndKeepsIt() {
        try (Mounted m = Mounted.with("")) {
            m.write("f", "x");
            String other = m.base() + "/bind";
            Shell.bash("mkdir " + other + "; mount --bind " + m.directory() + " " + other)
                    .succeeded();
            try {
                Shell.bash("umount " + m.directory()).succeeded();
                Shell.bash(CLIENT + " " + other + "/kexecfs.sock open r f true").succeeded();
            } finally {
                Shell.bash("umount " + other).succeeded();
            }
            assertTrue(hasEnded(m));
        }
    }

    @Test
    void aBindMountOfTheSocketAloneKeepsIt() {
        try (Mounted m = Mounted.with("")) {
            m.write("f", "x");
            String other = m.base() + "/sock";
            Shell.bash("touch " + other + "; mount --bind " + m.path("kexecfs.sock") + " " + other)
                    .succeeded();
            try {
                Shell.bash("umount " + m.directory()).succeeded();
                Shell.bash(CLIENT + " " + other + " open r f true").succeeded();
            } finally {
                Shell.bash("umount " + other).succeeded();
            }
            assertTrue(hasEnded(m));
        }
    }

    @Test
    void aMountInAnotherNamespaceKeepsItAndIsServed() throws IOException, InterruptedException {
        try (Mounted m = Mounted.with("")) {
            m.write("f", "x");
            Process container = new ProcessBuilder(
                            "unshare", "--mount", "--propagation", "private", "sh", "-c", "echo ready; exec sleep 600")
                    .start();
            try {
                BufferedReader output = container.inputReader();
                assertEquals("ready", output.readLine());
                Shell.bash("umount " + m.directory()).succeeded();
                assertFalse(hasEnded(m));
                Shell.bash("nsenter --mount --target " + container.pid() + " " + CLIENT + " " + m.path("kexecfs.sock")
                                + " open r f true")
                        .succeeded();
            } finally {
                container.destroyForcibly().waitFor(10, TimeUnit.SECONDS);
            }
            Awaitility.await().atMost(Duration.ofSeconds(5)).until(() -> hasEnded(m));
        }
    }

    @Test
    void aDetachedMountLastsAsLongAsItsOpenFiles() {
        try (Mounted m = Mounted.with("")) {
            m.write("f", "before");
            Fd open = m.open("f", Fd.O_RDWR);
            Shell.bash("umount --lazy " + m.directory()).succeeded();
            assertFalse(hasEnded(m));
            open.pwrite(Fd.utf8("after."), 0);
            assertEquals("after.", Mounted.read(open));
            open.close();
            assertTrue(hasEnded(m));
        }
    }

    @Test
    void aDescriptorThatWasHandedOutOutlivesTheSession() {
        try (Mounted m = Mounted.with("")) {
            m.write("f", "memory");
            Fd connected = m.keep(Sockets.connect(m.path("kexecfs.sock").toString()));
            Messages messages = new Messages(100);
            messages.send(connected, Fd.utf8("1 open rw f"), Optional.empty());
            Fd file = m.keep(messages.receive(connected).orElseThrow().files().getFirst());
            Shell.bash("umount " + m.directory()).succeeded();
            assertTrue(hasEnded(m));
            assertEquals("memory", Mounted.read(file));
        }
    }

    @Test
    void aReadOnlyMountHasItToo() {
        try (Mounted m = Mounted.with("ro")) {
            assertTrue(Files.exists(m.path("kexecfs.sock")));
            m.sh(CLIENT + " kexecfs.sock preserve f < /dev/null").failed("EROFS");
        }
    }

    @Test
    void mountingAgainAndAgainLeavesNothing() {
        try (Mounted m = Mounted.with("")) {
            m.remount("");
            long before = new java.io.File("/proc/self/fd").list().length;
            for (int i = 0; i < 20; i++) {
                m.remount("");
            }
            assertEquals(before, new java.io.File("/proc/self/fd").list().length);
        }
    }
}
