package org.kexecfs.tool;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.stream.Stream;
import org.kexecfs.mount.MountTable;
import org.kexecfs.posix.Mounts;

/** A directory to work in. When it is closed, or the process is told to end, it is gone, with the mounts below it. */
final class Scratch implements AutoCloseable {
    private final Path directory;
    private final Thread atExit = new Thread(this::remove, "clean up");

    private Scratch(Path directory) {
        this.directory = directory;
    }

    static Scratch temporary() {
        try {
            Scratch scratch =
                    new Scratch(Files.createTempDirectory("kexecfs-demo-").toRealPath());
            Runtime.getRuntime().addShutdownHook(scratch.atExit);
            return scratch;
        } catch (IOException e) {
            throw new UncheckedIOException("cannot make a temporary directory", e);
        }
    }

    /** One that may be there already, and stays unless it is closed. */
    static Scratch at(Path directory) {
        try {
            return new Scratch(Files.createDirectories(directory));
        } catch (IOException e) {
            throw new UncheckedIOException("cannot make " + directory, e);
        }
    }

    Path directory() {
        return directory;
    }

    @Override
    public void close() {
        try {
            Runtime.getRuntime().removeShutdownHook(atExit);
        } catch (IllegalStateException e) {
            // The process is ending already, and the hook does the work.
            return;
        }
        remove();
    }

    private void remove() {
        MountTable.read().reversed().stream()
                .filter(m -> m.directory().startsWith(directory))
                .forEach(m -> Mounts.detach(m.directory()));
        try (Stream<Path> all = Files.walk(directory)) {
            for (Path path : all.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(path);
            }
        } catch (IOException e) {
            throw new UncheckedIOException("cannot remove " + directory, e);
        }
    }
}
