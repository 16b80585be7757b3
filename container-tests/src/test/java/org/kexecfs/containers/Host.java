package org.kexecfs.containers;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/**
 * The host's side: the packaged commands, on an emulation of LUO of this test's own, and the containers that it runs.
 *
 * <p>Life cycle: {@link #close} ends the containers, unmounts what a test left mounted, and ends the daemon.
 */
public final class Host implements AutoCloseable {
    private static final Path IMAGE = Path.of(System.getProperty("kexecfs.image"));

    private final Scratch scratch = Scratch.make("containers");
    private final SequencedMap<String, Path> mounts = new LinkedHashMap<>();
    private final List<Runnable> endsOfContainers = new ArrayList<>();

    /**
     * Mounts a session.
     *
     * @param options of {@code -o}, besides the emulation
     * @return where
     */
    public Path mount(String session, String... options) {
        Path directory = path(session);
        try {
            Files.createDirectories(directory);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        mounts.putLast(session, directory);
        String all = String.join(",", "emulate=" + path("luo"), String.join(",", options));
        sh("mount.kexecfs " + session + " " + directory + " -o " + all.replaceAll(",$", ""));
        return directory;
    }

    /** An update of the kernel, as far as an emulation goes: all mounts are gone after it. */
    public void kexec() {
        sh("kexecfs kexec --emulate " + path("luo"));
        mounts.clear();
    }

    /** Starts a container of the engine. */
    Box start(Box box) {
        endsOfContainers.add(box::close);
        box.start();
        return box;
    }

    /**
     * Starts a container with a user namespace.
     *
     * @param name for its bundle
     * @param root what {@link Bundle#root} made
     * @param session a mounted one
     * @param uid what its root is on the host
     */
    Bundle start(String name, Path root, String session, int uid) {
        Bundle bundle = Bundle.start(path(name), root, path(session), uid);
        endsOfContainers.add(bundle::close);
        return bundle;
    }

    /** A path in a directory of this test's own. */
    public Path path(String name) {
        return scratch.directory().resolve(name);
    }

    /** Runs a shell command that must succeed, and returns what it said. */
    public String sh(String command) {
        return run(command).succeed();
    }

    /** Runs a shell command, with the packaged commands on its PATH, and the tests' engine as theirs. */
    public Command run(String command) {
        ProcessBuilder shell = new ProcessBuilder("bash", "-c", command)
                .directory(scratch.directory().toFile());
        shell.environment().merge("PATH", IMAGE.resolve("bin").toString(), (path, ours) -> ours + ":" + path);
        shell.environment().put("KEXECFS_RUNTIME_DIRECTORY", path("run").toString());
        EngineStrategy.address().ifPresent(address -> shell.environment().put("DOCKER_HOST", address.toString()));
        return Command.of(shell);
    }

    /** As closing does, for what must be undone after that and before the rest. */
    public void endContainers() {
        endsOfContainers.forEach(Runnable::run);
    }

    @Override
    public void close() {
        endContainers();
        mounts.reversed().values().forEach(directory -> {
            if (run("kexecfs umount " + directory).exit() != 0) {
                run("umount --lazy " + directory);
            }
        });
        stopDaemon();
        scratch.close();
    }

    /** It unmounts what it serves, and holds its lock until it has. */
    private void stopDaemon() {
        sh("[ ! -e run/kexecfsd.pid ] || flock -n run/kexecfsd.pid true"
                + " || { kill $(cat run/kexecfsd.pid) && flock run/kexecfsd.pid true; }");
    }
}
