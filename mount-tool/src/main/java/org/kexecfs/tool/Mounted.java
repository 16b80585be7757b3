package org.kexecfs.tool;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import org.kexecfs.mount.MountTable;
import org.kexecfs.mount.MountTable.MountedSession;

/** Finds what a user means by {@code SESSION|DIR}: with a slash, or being {@code .} or {@code ..}, it is a directory. */
final class Mounted {
    private Mounted() {}

    /**
     * The one mount that is meant: that of the session, or that at the directory.
     *
     * @throws ToolException with {@link Exit#NOT_MOUNTED}, or with {@link Exit#USAGE} if several have the name
     */
    static MountedSession one(String sessionOrDirectory) {
        return find(sessionOrDirectory)
                .orElseThrow(() -> new ToolException(
                        Exit.NOT_MOUNTED,
                        sessionOrDirectory
                                + ": no such session or directory is mounted here; 'kexecfs status' lists those"
                                + " that are"));
    }

    /** Every place where the filesystem of {@code mount} is mounted, in the order of mounting. */
    static List<MountedSession> everywhere(MountedSession mount) {
        return MountTable.read().stream()
                .filter(m -> m.device() == mount.device())
                .toList();
    }

    private static Optional<MountedSession> find(String name) {
        if (!isPath(name)) {
            List<MountedSession> sessions = MountTable.ofSession(name);
            if (sessions.size() > 1) {
                throw new ToolException(Exit.USAGE, ambiguous(name, sessions));
            }
            if (!sessions.isEmpty()) {
                return Optional.of(sessions.getFirst());
            }
        }
        return MountTable.at(Path.of(name));
    }

    private static String ambiguous(String name, List<MountedSession> sessions) {
        return sessions.stream()
                .map(session -> session.directory().toString())
                .collect(Collectors.joining(
                        ", ",
                        name + ": several sessions of this name are mounted, at ",
                        "; give the directory of the one that is meant"));
    }

    /** Whether it cannot be a session's name. */
    static boolean isPath(String name) {
        return name.contains("/") || name.equals(".") || name.equals("..");
    }
}
