package org.kexecfs.tool;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * The run of kexecfsd whose classes the start-up cache keeps that it has in common with most commands (src/image/train): it
 * loads those of others, too.
 */
final class Training {
    private Training() {}

    /**
     * Loads classes, without initializing them.
     *
     * @param file their names, one a line
     */
    static void load(Path file) {
        try {
            for (String name : Files.readAllLines(file)) {
                load(name);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void load(String name) {
        try {
            Class.forName(name, false, Training.class.getClassLoader());
        } catch (ClassNotFoundException | LinkageError e) {
            // The cache is without it, then.
        }
    }
}
