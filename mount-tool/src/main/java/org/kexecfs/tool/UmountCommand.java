package org.kexecfs.tool;

import java.util.List;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.mount.MountTable.MountedSession;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Mounts;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code kexecfs umount}: ends a session, and returns when it has ended. */
@Command(
        name = "umount",
        description = {
            "Unmounts a session: everywhere, if its name is given; only there, if a directory is. With the last mount"
                    + " the session ends, and its files are gone, as with tmpfs.",
            "A session that is prepared, or updated with files that nobody has claimed, is refused without --force: unmounted"
                    + " it would lose them.",
            "Also clears away a mount whose server is gone; if it was a kexecfsd that was killed, its session ends, too.%n"
        },
        footerHeading = "%nExamples:%n",
        footer = {"  kexecfs umount web", "  kexecfs umount /run/kexecfs/web"})
final class UmountCommand implements Runnable {
    @Parameters(paramLabel = "SESSION|DIR", description = "A mounted session, or where it is mounted.")
    private String sessionOrDirectory;

    @Option(
            names = "--force",
            description = "Also a session that is prepared, or has files that nobody has claimed yet.")
    private boolean force;

    @Override
    public void run() {
        MountedSession mount = found();
        if (!force && Mounted.everywhere(mount).size() == places(mount).size()) {
            requireNothingLost(mount);
        }
        try (Waiting end = Waiting.forEndOf(mount)) {
            unmount(mount);
            if (Mounted.everywhere(mount).isEmpty()) {
                end.await();
            }
        }
    }

    /** What a killed daemon had mounted is kept, and would be mounted again later: so it is now, and then unmounted. */
    private MountedSession found() {
        MountedSession mount = Mounted.one(sessionOrDirectory);
        if (!SessionInfo.isDead(mount.directory())) {
            return mount;
        }
        Kexecfsd.heal();
        return Mounted.one(sessionOrDirectory);
    }

    private List<MountedSession> places(MountedSession mount) {
        return mount.session().equals(sessionOrDirectory)
                ? Mounted.everywhere(mount).reversed()
                : List.of(mount);
    }

    private static void requireNothingLost(MountedSession mount) {
        String state = SessionInfo.read(mount).state();
        if (state.equals("prepared")) {
            throw refused(
                    mount, "is prepared for a kexec, and LUO would drop what it holds; 'kexecfs cancel' takes it back");
        }
        if (state.equals("updated")) {
            long unclaimed = FileList.read(mount).count("restored");
            if (unclaimed > 0) {
                throw refused(
                        mount, "has " + unclaimed + " restored files that nobody has claimed; 'kexecfs ls' shows them");
            }
        }
    }

    private static ToolException refused(MountedSession mount, String why) {
        return new ToolException(Exit.BUSY, mount.session() + " " + why + ". 'kexecfs umount --force' ends it anyway");
    }

    private void unmount(MountedSession mount) {
        places(mount).forEach(UmountCommand::unmountPlace);
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
