package org.kexecfs.tool;

import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.mount.MountTable.MountedSession;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.Mounts;
import org.kexecfs.posix.Peer;
import org.kexecfs.posix.Sockets;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** {@code kexecfs umount}: ends a session, and returns when it has ended. */
@Command(
        name = "umount",
        description = {
            "Unmounts a session: everywhere, if its name is given; only there, if a directory is. With the last mount"
                    + " the session ends, and its files are gone, as with tmpfs.",
            "Also clears away a mount whose server is gone.%n"
        },
        footerHeading = "%nExamples:%n",
        footer = {"  kexecfs umount web", "  kexecfs umount /run/kexecfs/web"})
final class UmountCommand implements Runnable {
    private static final long SECONDS_FOR_THE_END = 30;

    @Parameters(paramLabel = "SESSION|DIR", description = "A mounted session, or where it is mounted.")
    private String sessionOrDirectory;

    @Override
    public void run() {
        MountedSession mount = Mounted.one(sessionOrDirectory);
        Optional<ProcessHandle> server = server(mount);
        List<MountedSession> places = mount.session().equals(sessionOrDirectory)
                ? Mounted.everywhere(mount).reversed()
                : List.of(mount);
        places.forEach(UmountCommand::unmount);
        if (Mounted.everywhere(mount).isEmpty()) {
            server.ifPresent(process -> awaitEnd(process, mount));
        }
    }

    /** Who serves the mount: who listens on its socket. */
    private static Optional<ProcessHandle> server(MountedSession mount) {
        String socket = mount.directory().resolve("kexecfs.sock").toString();
        try (Fd connection = Sockets.connect(socket);
                Peer peer = Sockets.peer(connection)) {
            return ProcessHandle.of(peer.pid());
        } catch (ErrnoException e) {
            // It is dead, or does not speak to us: there is nobody to wait for.
            return Optional.empty();
        }
    }

    private static void unmount(MountedSession mount) {
        try {
            Mounts.unmount(mount.directory());
        } catch (ErrnoException e) {
            String next = e.is(Errno.EBUSY) ? "; 'fuser -vm " + mount.directory() + "' shows what uses it" : "";
            throw new ToolException(Exit.of(e), "cannot unmount " + mount.session() + ": " + e.getMessage() + next, e);
        }
    }

    /** The kernel does not wait for a FUSE server: but who mounts the session again at once must find it ended. */
    private static void awaitEnd(ProcessHandle server, MountedSession mount) {
        try {
            server.onExit().get(SECONDS_FOR_THE_END, TimeUnit.SECONDS);
        } catch (TimeoutException e) {
            throw new ToolException(
                    Exit.BUSY,
                    mount.session() + " is unmounted here, but process " + server.pid()
                            + " still serves it: another mount namespace may have it",
                    e);
        } catch (ExecutionException e) {
            throw new IllegalStateException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
