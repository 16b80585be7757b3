package org.kexecfs.tool;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.daemon.Answer;
import org.kexecfs.daemon.Request;
import org.kexecfs.docker.SessionException;
import org.kexecfs.docker.Sessions;
import org.kexecfs.mount.MountTable;
import org.kexecfs.mount.MountTable.MountedSession;
import org.kexecfs.mount.RuntimeDirectory;
import org.kexecfs.posix.ErrnoException;

/** Sessions of volumes: kexecfsd serves them, and they are mounted and ended as the commands do it. */
final class VolumeSessions implements Sessions {
    @Override
    public void mount(String session, Path directory, String options) {
        if (isLive(session, directory)) {
            return;
        }
        try {
            RuntimeDirectory.make(directory.getParent());
            // A dead mount is a directory that cannot be asked.
            if (!isMounted(session, directory)) {
                RuntimeDirectory.make(directory);
            }
            Answer answer = Kexecfsd.mount(new Request.Mount(session, directory, Path.of("/"), options));
            // A daemon that was started for this has first mounted what it found kept: this, then.
            if (answer instanceof Answer.Failed failed && !isLive(session, directory)) {
                throw new SessionException(
                        failed.errno() == Errno.EBUSY,
                        "cannot mount " + session + " on " + directory + ": " + failed.message(),
                        null);
            }
        } catch (ErrnoException | ToolException e) {
            throw new SessionException(
                    false, "cannot mount " + session + " on " + directory + ": " + e.getMessage(), e);
        }
    }

    @Override
    public boolean isMounted(String session, Path directory) {
        return at(session, directory).isPresent();
    }

    @Override
    public void end(String session, Path directory) {
        try {
            at(session, directory)
                    .ifPresent(mount -> SessionEnd.everywhere(mount).run(false));
            Files.deleteIfExists(directory);
        } catch (ToolException e) {
            throw new SessionException(e.exit() == Exit.BUSY, e.getMessage(), e);
        } catch (IOException e) {
            throw new SessionException(false, "cannot remove " + directory + ": " + e.getMessage(), e);
        }
    }

    private static boolean isLive(String session, Path directory) {
        return at(session, directory)
                .filter(mount -> !SessionInfo.isDead(mount.directory()))
                .isPresent();
    }

    private static Optional<MountedSession> at(String session, Path directory) {
        return MountTable.at(directory).filter(mount -> mount.session().equals(session));
    }
}
