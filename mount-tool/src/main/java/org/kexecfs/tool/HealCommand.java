package org.kexecfs.tool;

import java.util.List;
import org.kexecfs.mount.MountTable;
import org.kexecfs.mount.MountTable.MountedSession;
import picocli.CommandLine.Command;

/** {@code kexecfs heal}: has what a killed daemon had mounted mounted again. */
@Command(
        name = "heal",
        description = {
            "Has kexecfsd mount again, where they were, the sessions that a killed kexecfsd had mounted, and make the bind mounts"
                    + " of them anew, in the mount namespaces of all processes; returns when it has. The keeper and systemd"
                    + " have it done by themselves, and any 'kexecfs mount' does the same.",
            "Mounts that are dead still are told: those of 'kexecfs mount -f', whose sessions are gone. 'kexecfs umount' clears"
                    + " them away.%n"
        },
        footerHeading = "%nExample:%n",
        footer = {"  kexecfs heal"})
final class HealCommand implements Runnable {
    @Override
    public void run() {
        Kexecfsd.heal();
        List<String> dead = MountTable.read().stream()
                .map(MountedSession::directory)
                .filter(SessionInfo::isDead)
                .map(Object::toString)
                .toList();
        if (!dead.isEmpty()) {
            throw new ToolException(Exit.FAILED, "dead still: " + String.join(", ", dead));
        }
    }
}
