package org.kexecfs.luo;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.Optional;
import java.util.stream.Stream;

/** Finds the kernel's own linux/liveupdate.h, or has it fetched. */
final class UapiHeader {
    private static final Path INSTALLED = Path.of("/usr/include/linux/liveupdate.h");
    private static final Path FETCH = Path.of("src/test/resources/luo/fetch-uapi-header");

    private UapiHeader() {}

    /**
     * The header: what KEXECFS_UAPI_HEADER names (a system property or an environment variable); else the installed
     * one, if it has all of LUO's ioctls; else the newest that the building of the guest's kernel, or an earlier
     * fetch, left in the cache; else Debian's.
     *
     * @throws AssertionError there is none to be had, and what to do about it
     */
    static Path find() throws IOException, InterruptedException {
        String named = System.getProperty("KEXECFS_UAPI_HEADER", System.getenv("KEXECFS_UAPI_HEADER"));
        if (named != null) {
            return Path.of(named);
        }
        if (Files.exists(INSTALLED) && Files.readString(INSTALLED).contains("LIVEUPDATE_SESSION_GET_NAME")) {
            return INSTALLED;
        }
        Optional<Path> cached = newestIn(cache());
        return cached.isPresent() ? cached.get() : fetch();
    }

    private static Path cache() {
        String xdg = System.getenv("XDG_CACHE_HOME");
        Path home = xdg == null || xdg.isEmpty() ? Path.of(System.getProperty("user.home"), ".cache") : Path.of(xdg);
        return home.resolve("kexecfs");
    }

    private static Optional<Path> newestIn(Path cache) throws IOException {
        if (!Files.isDirectory(cache)) {
            return Optional.empty();
        }
        // CACHE/kernel-KEY/headers/linux/liveupdate.h, CACHE/uapi-VERSION/linux/liveupdate.h
        try (Stream<Path> all = Files.list(cache)) {
            return all.flatMap(kept -> Stream.of(kept.resolve("headers/linux"), kept.resolve("linux")))
                    .map(directory -> directory.resolve("liveupdate.h"))
                    .filter(Files::isReadable)
                    .max(Comparator.comparing(header -> header.toFile().lastModified()));
        }
    }

    private static Path fetch() throws IOException, InterruptedException {
        Process process = new ProcessBuilder(FETCH.toString(), cache().toString())
                .redirectErrorStream(true)
                .start();
        String said = new String(process.getInputStream().readAllBytes());
        Path header = Path.of(said.strip().lines().reduce((first, last) -> last).orElse(""));
        if (process.waitFor() != 0 || !Files.isReadable(header)) {
            throw new AssertionError(
                    "no linux/liveupdate.h to compare with: install linux-libc-dev of Linux 7.2 or later,"
                            + " or name the header in KEXECFS_UAPI_HEADER, or let it be fetched:\n" + said);
        }
        return header;
    }
}
