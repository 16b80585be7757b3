package org.kexecfs.containers;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.UUID;

/**
 * A container of an OCI runtime alone, with a user namespace of its own: its uids 0 to 65535 are others on the host, and its
 * root has every capability in there. An engine can shift the uids of all its containers only.
 *
 * <p>Life cycle: {@link #start} makes the bundle and a container that sleeps; {@link #close} ends it.
 */
final class Bundle implements AutoCloseable {
    private static final String CAPABILITIES =
            "[\"CAP_CHOWN\", \"CAP_DAC_OVERRIDE\", \"CAP_DAC_READ_SEARCH\", \"CAP_FOWNER\","
                    + " \"CAP_SETUID\", \"CAP_SETGID\", \"CAP_MKNOD\", \"CAP_SYS_PTRACE\", \"CAP_SYS_ADMIN\", \"CAP_SYS_CHROOT\"]";

    private final Path state;
    private final String id = "kexecfs-" + UUID.randomUUID();

    private Bundle(Path state) {
        this.state = state;
    }

    /**
     * A root for such containers, which none of them can change.
     *
     * @param directory where to
     */
    static Path root(Path directory) {
        try {
            Path root = Files.createDirectories(directory.resolve("rootfs"));
            Path archive = Images.archive("shell", directory);
            Command.of("tar", "-C", root.toString(), "-xpf", archive.toString()).succeed();
            return root;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * Starts one.
     *
     * @param directory for the bundle; made
     * @param root what {@link #root} made
     * @param session what is bind-mounted at {@link Box#SESSION}
     * @param uid what its user 0 is on the host, and its group 0
     */
    static Bundle start(Path directory, Path root, Path session, int uid) {
        Bundle bundle = new Bundle(directory.resolve("state"));
        try {
            Files.createDirectories(directory);
            Files.writeString(directory.resolve("config.json"), config(root, session, uid));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        // What it says goes to a file, for its container has that open, too, and does not end.
        String log = directory.resolve("log").toString();
        bundle.runc("run --detach --bundle %s %s >%s 2>&1 || { cat %3$s; false; }".formatted(directory, bundle.id, log))
                .succeed();
        return bundle;
    }

    private static String config(Path root, Path session, int uid) {
        return """
                {
                  "ociVersion": "1.0.2",
                  "process": {
                    "user": {"uid": 0, "gid": 0},
                    "args": ["sleep", "infinity"],
                    "env": ["PATH=/bin"],
                    "cwd": "/",
                    "capabilities": {"bounding": %1$s, "effective": %1$s, "permitted": %1$s},
                    "noNewPrivileges": true
                  },
                  "root": {"path": "%5$s", "readonly": true},
                  "mounts": [
                    {"destination": "/proc", "type": "proc", "source": "proc"},
                    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]},
                    {"destination": "%2$s", "type": "bind", "source": "%3$s", "options": ["bind"]}
                  ],
                  "linux": {
                    "namespaces": [
                      {"type": "user"}, {"type": "mount"}, {"type": "pid"}, {"type": "ipc"}, {"type": "uts"},
                      {"type": "network"}
                    ],
                    "uidMappings": [{"containerID": 0, "hostID": %4$d, "size": 65536}],
                    "gidMappings": [{"containerID": 0, "hostID": %4$d, "size": 65536}]
                  }
                }
                """.formatted(CAPABILITIES, Box.SESSION, session, uid, root);
    }

    /** Runs a shell command in the session that must succeed, as the container's root. */
    String sh(String command) {
        return run(command).succeed();
    }

    Command run(String command) {
        return runAs(0, command);
    }

    Command runAs(int user, String command) {
        return runc("exec --cwd " + Box.SESSION + " --user " + user + ":" + user + " " + id + " sh -c '"
                + command.replace("'", "'\\''") + "'");
    }

    /** Its first process, as the host numbers it. */
    String pid() {
        return runc("state " + id + " | sed -n 's/.*\"pid\": \\([0-9]*\\).*/\\1/p'")
                .succeed();
    }

    private Command runc(String arguments) {
        ProcessBuilder shell = new ProcessBuilder("sh", "-c", "runc --root " + state + " " + arguments);
        shell.environment().merge("PATH", "/usr/sbin", (path, more) -> path + ":" + more);
        return Command.of(shell);
    }

    /** Ends it; again is nothing. */
    @Override
    public void close() {
        runc("delete --force " + id).succeed();
    }
}
