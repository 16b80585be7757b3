package org.kexecfs.tool;

import org.kexecfs.mount.MountTable.MountedSession;
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
        if (mount.session().equals(sessionOrDirectory)) {
            SessionEnd.everywhere(mount).run(force);
        } else {
            SessionEnd.at(mount).run(force);
        }
    }

    /** What a killed daemon had mounted is kept, and would be mounted again later: so it is now, and then unmounted. */
    private MountedSession found() {
        MountedSession mount = Mounted.one(sessionOrDirectory);
        if (!SessionInfo.of(mount).isDead()) {
            return mount;
        }
        Kexecfsd.heal();
        return Mounted.one(sessionOrDirectory);
    }
}
