package org.kexecfs.containers;

import com.github.dockerjava.api.DockerClient;
import java.nio.file.Path;
import java.util.List;
import org.testcontainers.DockerClientFactory;

/** The images of the tests, imported from what this machine has; closing takes them out of the engine again. */
final class Images implements AutoCloseable {
    /** busybox and the tests' programs; see {@code containers/make-image}. */
    static final String SHELL = "kexecfs-test/shell:1";

    /** Two programs and no shell. */
    static final String BARE = "kexecfs-test/bare:1";

    private final DockerClient client;

    private Images(DockerClient client) {
        this.client = client;
    }

    static Images in(Engine engine) {
        try (Scratch scratch = Scratch.make("images")) {
            engine.importImage(SHELL, archive("shell", scratch.directory()));
            engine.importImage(BARE, archive("bare", scratch.directory()));
        }
        return new Images(DockerClientFactory.lazyClient());
    }

    /**
     * The root of a container, as a tar archive.
     *
     * @param kind what {@code containers/make-image} calls it
     * @param directory where to
     */
    static Path archive(String kind, Path directory) {
        Path script =
                Path.of(System.getProperty("basedir", "")).toAbsolutePath().resolve("containers/make-image");
        Path archive = directory.resolve(kind + ".tar");
        Command.of("sh", "-c", "\"$0\" \"$1\" >\"$2\"", script.toString(), kind, archive.toString())
                .succeed();
        return archive;
    }

    @Override
    public void close() {
        List.of(SHELL, BARE)
                .forEach(image -> client.removeImageCmd(image).withForce(true).exec());
    }
}
