package org.kexecfs.mount;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;
import java.util.stream.Stream;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.mount.MountTable.MountedSession;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.MountNamespace;
import org.kexecfs.posix.MountPoint;
import org.kexecfs.posix.Mounts;
import org.kexecfs.posix.Pidfd;

/** Adds a session that is mounted here to the mounts of another process, a container's, while it runs. */
public final class Binding {
    private Binding() {}

    /**
     * Bind-mounts it there: read-only if the mount here is. When this fails nothing has changed.
     *
     * @param session where it is mounted here
     * @param process whose mounts get it, pinned
     * @param path the directory, as the process sees it
     * @throws ErrnoException ENOENT, ENOTDIR, ELOOP for the directory; ENOENT if the process has ended; EBUSY if something is
     *     mounted there, or the session is no longer mounted here; EXDEV if the directory is in a mount that propagates to our
     *     namespace; EPERM without CAP_SYS_ADMIN here and over the process's mount namespace
     */
    public static void bind(MountedSession session, Pidfd process, String path) {
        try (MountNamespace there = MountNamespace.of(process);
                Fd directory = there.openDirectory(path);
                Fd root = Fd.openDirectory(session.directory().toString())) {
            if (root.status().id().device() != session.device()) {
                throw new ErrnoException(
                        Errno.EBUSY, session.directory() + " was unmounted, or something else mounted there");
            }
            MountPoint point = MountPoint.of(directory);
            if (point.isRoot()) {
                throw new ErrnoException(Errno.EBUSY, "something is mounted at " + path + " there already");
            }
            requireNoPropagation(process, point, path);
            try (Fd mount = Mounts.bind(root)) {
                there.attach(mount, directory);
            }
        }
    }

    /**
     * A symbolic link in a container may lead to a volume whose mounts are shared with the host: what is mounted there would
     * cover a directory of the host.
     */
    private static void requireNoPropagation(Pidfd process, MountPoint point, String path) {
        String there = Integer.toString(process.pid());
        if (namespace(there).equals(namespace("self"))) {
            return;
        }
        Optional<String> peers = mounts(there)
                .filter(mount -> mount[0].equals(Long.toString(point.mount())))
                .flatMap(Binding::peerGroup)
                .findFirst();
        if (peers.isPresent() && mounts("self").flatMap(Binding::peerGroup).anyMatch(peers.get()::equals)) {
            throw new ErrnoException(
                    Errno.EXDEV,
                    path
                            + " leads into a mount that is shared with this host, where the session would appear, too; choose"
                            + " another directory");
        }
    }

    private static String namespace(String process) {
        try {
            return Files.readSymbolicLink(Path.of("/proc", process, "ns/mnt")).toString();
        } catch (IOException e) {
            throw unreadable(process, e);
        }
    }

    /** Lines of proc_pid_mountinfo(5): ID PARENT MAJOR:MINOR ROOT MOUNT-POINT OPTIONS [TAG...] - TYPE SOURCE SUPER-OPTIONS. */
    private static Stream<String[]> mounts(String process) {
        try {
            return Files.readString(Path.of("/proc", process, "mountinfo"), StandardCharsets.ISO_8859_1)
                    .lines()
                    .map(line -> line.split(" "));
        } catch (IOException e) {
            throw unreadable(process, e);
        }
    }

    /** The tag {@code shared:N}, which all mounts have that propagate to one another. */
    private static Stream<String> peerGroup(String[] mount) {
        return Arrays.stream(mount).skip(6).takeWhile(tag -> !tag.equals("-")).filter(tag -> tag.startsWith("shared:"));
    }

    private static ErrnoException unreadable(String process, IOException e) {
        return new ErrnoException(Errno.ENOENT, "process " + process + " has ended: " + e.getMessage());
    }
}
