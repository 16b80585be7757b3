package org.kexecfs.fuse;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.luo.EmulatedLiveUpdate;
import org.kexecfs.mount.MountOptions;
import org.kexecfs.mount.MountTable;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.Mounts;

/**
 * A real mount on an emulated LUO, in a directory that everyone may enter. When it is closed it is unmounted, whatever
 * happened, and says what was left behind.
 */
final class Mounted implements AutoCloseable {
    static final String SESSION = "vm";

    private final Path base;
    private final Path directory;
    private final Path emulation;
    private final List<Fd> kept = new ArrayList<>();
    private final long filesBefore = files();
    private KexecFsMount mount;

    /** Makes the directories; {@link #mount} is yet to come. */
    Mounted() {
        assertEquals(0, org.kexecfs.posix.Libc.C.geteuid(), "these tests mount: they need root");
        assertTrue(Files.exists(Path.of("/dev/fuse")), "these tests mount: they need /dev/fuse");
        try {
            base = Files.createTempDirectory("kexecfs-test");
            Files.setPosixFilePermissions(base, PosixFilePermissions.fromString("rwxr-xr-x"));
            directory = Files.createDirectory(base.resolve("mnt"));
            emulation = base.resolve("luo");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** A mount with these options beside "emulate". */
    static Mounted with(String options) {
        Mounted mounted = new Mounted();
        try {
            return mounted.mount(options);
        } catch (RuntimeException | Error e) {
            mounted.close();
            throw e;
        }
    }

    Mounted mount(String options) {
        mount = KexecFsMount.mount(SESSION, directory, options(options));
        return this;
    }

    MountOptions options(String options) {
        return MountOptions.parse("emulate=" + emulation + "," + options);
    }

    KexecFsMount mount() {
        return mount;
    }

    /** A directory for what belongs to the test: gone with the mount. */
    Path base() {
        return base;
    }

    Path directory() {
        return directory;
    }

    Path emulation() {
        return emulation;
    }

    EmulatedLiveUpdate luo() {
        return new EmulatedLiveUpdate(emulation);
    }

    Path path(String name) {
        return directory.resolve(name);
    }

    /** The link source of an open file of this process. */
    Path source(Fd file) {
        return path("kexecfs.fd/self/" + file.number());
    }

    /** A memfd of this process. */
    Fd memfd(String content) {
        Fd memfd = keep(Fd.memfd("linked"));
        memfd.pwrite(Fd.utf8(content), 0);
        return memfd;
    }

    Fd keep(Fd file) {
        kept.add(file);
        return file;
    }

    /** open(2) of a file in the mount, closed with the mount. */
    Fd open(String name, int flags) {
        return keep(Fd.open(path(name).toString(), flags, 0640));
    }

    /** cat. */
    String read(String name) {
        try (Fd file = Fd.open(path(name).toString(), Fd.O_RDONLY, 0)) {
            return read(file);
        }
    }

    static String read(Fd file) {
        byte[] bytes = new byte[64 * 1024];
        int length = file.pread(bytes, 0);
        return new String(bytes, 0, length, java.nio.charset.StandardCharsets.ISO_8859_1);
    }

    /** echo WORD > FILE. */
    void write(String name, String text) {
        try (Fd file = Fd.open(path(name).toString(), Fd.O_WRONLY | Fd.O_CREAT | Fd.O_TRUNC, 0640)) {
            file.pwrite(Fd.utf8(text), 0);
        }
    }

    String state() {
        return read("kexecfs.state").strip();
    }

    /** A bash script with the mount as its working directory. */
    Shell sh(String script, Object... arguments) {
        return Shell.bash("cd " + directory + " && { " + script + "\n}", arguments);
    }

    /** {@link #sh} as nobody. */
    Shell shAsNobody(String script, Object... arguments) {
        return Shell.bash(Shell.NOBODY, "cd " + directory + " && { " + script + "\n}", arguments);
    }

    /** kexec: the machine comes up again, and the session is mounted. */
    void kexec(String options) {
        luo().kexec();
        mount.close();
        mount(options);
    }

    /** Unmounts and mounts again, with no kexec. */
    void remount(String options) {
        mount.close();
        mount(options);
    }

    @Override
    public void close() {
        try {
            kept.forEach(Fd::close);
            if (mount != null) {
                // Whatever holds a file in it open would make this wait for ever.
                CompletableFuture.runAsync(mount::close)
                        .orTimeout(20, TimeUnit.SECONDS)
                        .join();
            }
            assertEquals(filesBefore, files(), "memory files and connections that are open");
            if (Files.exists(emulation)) {
                luo().createSession(SESSION).close(); // LUO holds nothing of it.
                assertTrue(isEmpty(emulation.resolve("mounted")), "a lock file is left");
            }
        } finally {
            detachAll();
            delete(base);
        }
    }

    private static boolean isEmpty(Path directory) {
        try (Stream<Path> files = Files.exists(directory) ? Files.list(directory) : Stream.empty()) {
            return files.findAny().isEmpty();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void detachAll() {
        MountTable.read().stream()
                .map(MountTable.MountedSession::directory)
                .filter(mounted -> mounted.startsWith(base))
                .forEach(mounted -> {
                    try {
                        Mounts.detach(mounted);
                    } catch (ErrnoException e) {
                        assertEquals(Errno.EINVAL, e.errno(), e.getMessage());
                    }
                });
    }

    private static void delete(Path tree) {
        try (Stream<Path> all = Files.walk(tree)) {
            for (Path path : all.sorted(java.util.Comparator.reverseOrder()).toList()) {
                Files.delete(path);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** How many files of this process are memory, or mounts, or FUSE connections. */
    private static long files() {
        try (Stream<Path> files = Files.list(Path.of("/proc/self/fd"))) {
            return files.map(Mounted::target)
                    .filter(Objects::nonNull)
                    .filter(target -> target.startsWith("/memfd:")
                            || target.startsWith("/dev/fuse")
                            || target.startsWith("/#")
                            || target.contains("kexecfs-test")
                            || target.equals("/"))
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
}
