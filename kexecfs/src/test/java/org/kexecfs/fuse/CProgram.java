package org.kexecfs.fuse;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** A C program of the tests, or an example that the project ships: compiled once, where everyone may run it. */
final class CProgram {
    /** The example client: {@code CLIENT SOCKET preserve NAME}, {@code CLIENT SOCKET open r|rw NAME COMMAND}. */
    static final String CLIENT = compile("doc/examples/kexecfs-sock.c");

    /** {@code WITH_MEMFD TEXT ACCESS COMMAND}: a memfd as descriptors 0 and 3. */
    static final String WITH_MEMFD = compile("src/test/c/with-memfd.c");

    /** {@code DO_IOCTL NAME FILE}. */
    static final String DO_IOCTL = compile("src/test/c/do-ioctl.c");

    /** {@code FLIP SET_UID_COPY}: becomes a set-uid program and itself again, over and over; both have a memfd as 9. */
    static final String FLIP = compile("src/test/c/flip.c");

    /** {@code IN_THREAD MOUNT FD}: links its descriptor from a thread, and tells the thread's id and waits. */
    static final String IN_THREAD = compile("src/test/c/in-thread.c");

    /** {@code FAMILIES}: system calls of many families on the files of the current directory, and what they answer. */
    static final String FAMILIES = compile("src/test/c/families.c");

    private CProgram() {}

    private static String compile(String source) {
        try {
            Path directory = Files.createTempDirectory("kexecfs-c");
            directory.toFile().deleteOnExit();
            Path program =
                    directory.resolve(Path.of(source).getFileName().toString().replace(".c", ""));
            Shell.run(List.of(
                            "cc",
                            "-std=c11",
                            "-D_GNU_SOURCE",
                            "-Wall",
                            "-Wextra",
                            "-Werror",
                            "-pthread",
                            "-Isrc/main/c",
                            "-o",
                            program.toString(),
                            source))
                    .succeeded();
            Shell.run(List.of("chmod", "755", directory.toString(), program.toString()))
                    .succeeded();
            program.toFile().deleteOnExit();
            return program.toString();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
