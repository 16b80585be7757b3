package org.kexecfs.session;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import jnr.ffi.Pointer;
import org.kexecfs.posix.Fd;

/**
 * A machine to test sessions on: a LUO, the session "vm" that is open on it, and its reboots. When it is closed it
 * says whether a session has left a memory file open.
 */
final class Machine implements AutoCloseable {
    static final String NAME = "vm";
    static final int UID = 1000;
    static final int GID = 100;

    private final long filesBefore = memoryFiles();
    private final List<Runnable> open = new ArrayList<>();
    private final TestLuo luo;
    private Settings settings = Settings.of(UID, GID);
    private Session session;

    Machine(Path directory) {
        luo = new TestLuo(directory.resolve("luo"));
    }

    TestLuo luo() {
        return luo;
    }

    Machine with(Settings newSettings) {
        settings = newSettings;
        return this;
    }

    Machine preserving(Settings.Preserve preserve) {
        return with(new Settings(
                settings.uid(),
                settings.gid(),
                settings.mode(),
                settings.creatorUid(),
                settings.creatorGid(),
                preserve,
                settings.size(),
                settings.inodes()));
    }

    /** Opens the session; how it was left is known to LUO only. */
    Session open() {
        session = Session.open(luo, NAME, settings, Host.of(() -> Fd.memfd("entry")));
        return session;
    }

    /** The session as it is open now. */
    Session session() {
        return session;
    }

    /** The session in the next kernel. */
    Session kexec() {
        luo.kexec();
        session.close();
        return open();
    }

    /** {@link #kexec}, with the session prepared for it. */
    Session update() {
        session.prepare();
        return kexec();
    }

    /** A file that is to be closed with the machine. */
    Fd keep(Fd file) {
        open.add(file::close);
        return file;
    }

    /** An open file that is to be closed with the machine. */
    OpenFile keep(OpenFile file) {
        open.add(file::close);
        return file;
    }

    /** A process's memfd, to be linked. */
    Fd memfd(String content) {
        Fd memfd = keep(Fd.memfd("linked"));
        memfd.pwrite(Fd.utf8(content), 0);
        return memfd;
    }

    @Override
    public void close() {
        if (session != null) {
            session.close();
        }
        open.forEach(Runnable::run);
        assertEquals(filesBefore, memoryFiles(), "memory files that are open");
    }

    /** How many memory files this process has open. */
    static long memoryFiles() {
        try (Stream<Path> files = Files.list(Path.of("/proc/self/fd"))) {
            return files.map(Machine::target)
                    .filter(Objects::nonNull)
                    .filter(target -> target.startsWith("/memfd:"))
                    .count();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String target(Path link) {
        try {
            return Files.readSymbolicLink(link).toString();
        } catch (IOException e) {
            // The descriptor of the listing itself.
            return null;
        }
    }

    // What programs do in a mount

    static EntryPath path(String path) {
        return EntryPath.of(path);
    }

    /** cp: a new file with this content. */
    static void put(Session session, String path, String content) {
        try (OpenFile file = session.create(path(path), 0640, UID, GID)) {
            write(file, content, 0);
            file.sync();
        }
    }

    /** A new file with nothing in it. */
    static void touch(Session session, String path) {
        put(session, path, "");
    }

    static void mkdir(Session session, String path) {
        session.mkdir(path(path), 0755, UID, GID);
    }

    static void adopt(Session session, Fd file, String path) {
        session.adopt(file, path(path), 0600, UID, GID);
    }

    static void write(OpenFile file, String content, long offset) {
        byte[] bytes = Fd.utf8(content);
        file.write(bytes.length, offset, false, () -> {
            file.file().pwrite(bytes, offset);
            return bytes.length;
        });
    }

    static void write(Session session, String path, String content, long offset) {
        try (OpenFile file = session.open(path(path), true)) {
            write(file, content, offset);
            file.sync();
        }
    }

    static void append(OpenFile file, String content) {
        byte[] bytes = Fd.utf8(content);
        Pointer buffer = Fd.allocate(bytes.length + 1);
        buffer.put(0, bytes, 0, bytes.length);
        file.write(bytes.length, 0, true, () -> file.file().append(buffer, bytes.length));
    }

    static String read(OpenFile file) {
        byte[] bytes = new byte[(int) file.stat().size()];
        int length = file.file().pread(bytes, 0);
        return new String(bytes, 0, length, StandardCharsets.UTF_8);
    }

    /** cat. */
    static String read(Session session, String path) {
        try (OpenFile file = session.open(path(path), false)) {
            return read(file);
        }
    }

    static Stat stat(Session session, String path) {
        return session.stat(path(path));
    }

    /** find: every path of the session. */
    static List<String> find(Session session) {
        return session.files().stream().map(listed -> listed.path().toString()).toList();
    }

    /** The status that kexecfs.files shows. */
    static String status(Session session, String path) {
        return session.files().stream()
                .filter(listed -> listed.path().equals(path(path)))
                .map(listed -> listed.status().toString())
                .findFirst()
                .orElseThrow();
    }
}
