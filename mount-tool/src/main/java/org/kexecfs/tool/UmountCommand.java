package org.kexecfs.tool;

import java.util.List;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.mount.MountTable.MountedSession;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Mounts;
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
    @Parameters(paramLabel = "SESSION|DIR", description = "A mounted session, or where it is mounted.")
    private String sessionOrDirectory;

    @Override
    public void run() {
        MountedSession mount = Mounted.one(sessionOrDirectory);
        try (Waiting end = Waiting.forEndOf(mount)) {
            unmount(mount);
            if (Mounted.everywhere(mount).isEmpty()) {
                end.await();
            }
        }
    }

    private void unmount(MountedSession mount) {
        List<MountedSession> places = mount.session().equals(sessionOrDirectory)
                ? Mounted.everywhere(mount).reversed()
                : List.of(mount);
        places.forEach(UmountCommand::unmountPlace);
    }

    private static void unmountPlace(MountedSession mount) {
        try {
            Mounts.unmount(mount.directory());
        } catch (ErrnoException e) {
            String next = e.is(Errno.EBUSY) ? "; 'fuser -vm " + mount.directory() + "' shows what uses it" : "";
            throw new ToolException(
                    Exit.of(e.errno()), "cannot unmount " + mount.session() + ": " + e.getMessage() + next, e);
        }
    }
}
