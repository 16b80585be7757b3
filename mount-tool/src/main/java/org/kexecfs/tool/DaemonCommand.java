package org.kexecfs.tool;

import java.time.Duration;
import java.util.Optional;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code kexecfsd}: serves all mounts of this host. */
@Command(
        name = "daemon",
        description = {
            "kexecfsd. Serves the mounts that 'kexecfs mount' and 'mount -t kexecfs' ask for, all in one process. They start"
                    + " it if it does not run, and it ends when it has nothing to serve; a second one is refused.",
            "SIGTERM and SIGINT unmount all and end their sessions; as a systemd unit with an fd store it leaves them there, and"
                    + " goes on with them when it is started again.%n"
        },
        footerHeading = "%nExamples:%n",
        footer = {"  kexecfsd", "  kexecfsd --idle 0        stay, whether there is anything to serve or not"})
final class DaemonCommand implements Runnable {
    @Option(
            names = "--idle",
            paramLabel = "SECONDS",
            defaultValue = "" + DaemonProcess.IDLE_SECONDS,
            description =
                    "End when nothing was mounted and nobody asked for so long; 0: never. Default: ${DEFAULT-VALUE}.")
    private int idle;

    @Option(
            names = "--unattended",
            description =
                    "As clients start it: write to kexecfsd.log in the run time directory, and have the keeper start it"
                            + " again should it be killed.")
    private boolean unattended;

    @Option(names = "--ready-fd", paramLabel = "N", description = ReadyFd.DESCRIPTION)
    private Integer readyFd;

    @Override
    public void run() {
        new DaemonProcess(Duration.ofSeconds(idle), unattended, new ReadyFd(Optional.ofNullable(readyFd))).run();
    }
}
