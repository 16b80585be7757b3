package org.kexecfs.containers;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;

/**
 * A directory to work in, which other users may walk through.
 *
 * @param directory where it is
 */
record Scratch(Path directory) implements AutoCloseable {
    static Scratch make(String name) {
        try {
            Path directory = Files.createTempDirectory("kexecfs-" + name);
            Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwxr-xr-x"));
            return new Scratch(directory.toRealPath());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * Deletes the directory and what is in it.
     *
     * @throws IllegalStateException something is still mounted below it
     */
    @Override
    public void close() {
        try {
            String mounts = Files.readString(Path.of("/proc/self/mountinfo"));
            if (mounts.contains(" " + directory + "/")) {
                throw new IllegalStateException("there are still mounts below " + directory + ":\n" + mounts);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        Command.of("rm", "-rf", "--one-file-system", directory.toString()).succeed();
    }
}
