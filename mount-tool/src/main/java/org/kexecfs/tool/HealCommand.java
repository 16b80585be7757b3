package org.kexecfs.tool;

import picocli.CommandLine.Command;

/** {@code kexecfs heal}: has what a killed daemon had mounted mounted again. */
@Command(
        name = "heal",
        description = {
            "Has kexecfsd mount again, where they were, the sessions that a killed kexecfsd had mounted, and make the bind mounts"
                    + " of them anew, in the mount namespaces of all processes; returns when it has. The keeper and systemd"
                    + " have it done by themselves, and any 'kexecfs mount' does the same.",
            "It fails if there is one that could not be mounted again, or that nobody has kept, and says what to do about it.",
            "Mounts that kexecfsd has not made, those of 'kexecfs mount -f', are none of its business, and are not asked:"
                    + " 'kexecfs status' shows which of them are dead, and 'kexecfs umount' clears them away.%n"
        },
        footerHeading = "%nExample:%n",
        footer = {"  kexecfs heal"})
final class HealCommand implements Runnable {
    @Override
    public void run() {
        Kexecfsd.heal();
    }
}
