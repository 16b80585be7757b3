package org.kexecfs.fuse;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.kexecfs.posix.Fd;

/** Mounts that are nowhere: what works in them, who sees them, and when they end. */
class PrivateMountTest {
    private static final Duration SOON = Duration.ofSeconds(5);
    private static final Duration A_MOMENT = Duration.ofMillis(300);

    private Mounted directories;
    private PrivateMount mount;

    @BeforeEach
    void mount() {
        directories = new Mounted();
        mount = mounted("");
    }

    @AfterEach
    void end() {
        mount.close();
        directories.close(); // It also says what of the session is left.
    }

    private PrivateMount mounted(String options) {
        return PrivateMount.mount(Mounted.SESSION, directories.options(options));
    }

    private Path path(String name) {
        return Path.of("/proc/self/fd/" + mount.root().number() + "/" + name);
    }

    private Fd open(String name, int flags) {
        return directories.keep(Fd.open(path(name).toString(), flags, 0640));
    }

    private String read(String name) {
        try (Fd file = Fd.open(path(name).toString(), Fd.O_RDONLY, 0)) {
            return Mounted.read(file);
        }
    }

    private void write(String name, String text) {
        try (Fd file = Fd.open(path(name).toString(), Fd.O_WRONLY | Fd.O_CREAT | Fd.O_TRUNC, 0640)) {
            file.pwrite(Fd.utf8(text), 0);
        }
    }

    private boolean endsWithin(Duration patience) throws InterruptedException {
        Thread waiting = new Thread(() -> {
            try {
                mount.awaitEnd();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
        waiting.setDaemon(true);
        waiting.start();
        boolean ended = waiting.join(patience);
        waiting.interrupt();
        return ended;
    }

    // What works

    @Test
    void itIsReachedByItsDescriptor() throws IOException {
        write("a", "1");
        Files.createDirectory(path("d"));
        write("d/b", "2");

        assertEquals("1", read("a"));
        assertEquals("2", read("d/b"));
        assertEquals("normal\n", read("kexecfs.state"));
        assertTrue(read("kexecfs.info").contains("entries 3\n"));
        try (Fd file = Fd.own(MoreLibc.check(
                org.kexecfs.posix.Libc.C.openat(mount.root().number(), "a", Fd.O_RDWR | Fd.O_CLOEXEC, 0), "openat"))) {
            assertEquals("1", Mounted.read(file));
        }
    }

    @Test
    void openFilesAreTakenIn() {
        Fd memfd = directories.memfd("contents");
        MoreLibc.hardLink(path("kexecfs.fd/self/" + memfd.number()), path("linked"));
        write("kexecfs.preserve", memfd.number() + " also");

        memfd.pwrite(Fd.utf8("CON"), 0);

        assertEquals("CONtents", read("linked"));
        assertEquals("CONtents", read("also"));
    }
}
