package org.kexecfs.tool;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.kexecfs.daemon.Answer;
import org.kexecfs.daemon.Request;
import org.kexecfs.fuse.KexecFsMount;
import org.kexecfs.mount.MountOptions;
import org.kexecfs.posix.ErrnoException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code kexecfs mount}: has a session mounted by the daemon, or mounts it and serves it until it is unmounted. */
@Command(
        name = "mount",
        description = {
            "Mounts a session on a directory, and returns when it is mounted: kexecfsd serves it, which is started if it"
                    + " does not run.",
            "What the kernel before handed over under that name is there again, and the state is 'updated'; otherwise"
                    + " the session is new and empty, and the state is 'normal'.%n"
        },
        footerHeading = "%nOptions of the filesystem (-o):%n",
        footer = {
            "  device=PATH            the LUO device, default /dev/liveupdate",
            "  emulate[=DIR]          the emulation in its place, its preserved memory in DIR",
            "  preserve=link          LUO has each file from its link or close on; else all from prepare on",
            "  size=, nr_inodes=      limits, as tmpfs has them",
            "  uid=, gid=, mode=      owner and mode of the root",
            "  control_uid=, control_gid=, control_mode=",
            "                         owner and mode of the control files",
            "",
            "Examples:",
            "  kexecfs mount web /run/kexecfs/web",
            "  kexecfs mount -o size=1g,mode=0750,gid=33 web /run/kexecfs/web",
            "  kexecfs mount -o emulate=/tmp/luo try /mnt      on any kernel",
            "  mount -t kexecfs web /run/kexecfs/web           the same, once installed",
        })
final class MountCommand implements Runnable {
    @Option(
            names = "-f",
            description =
                    "Serve it in the foreground, without kexecfsd, until it is unmounted or this process gets SIGINT or"
                            + " SIGTERM, which unmount it.")
    private boolean foreground;

    @Option(names = "-o", paramLabel = "OPTIONS", description = "Options of the filesystem, with commas; see below.")
    private List<String> options = new ArrayList<>();

    @Option(names = "--ready-fd", paramLabel = "N", description = "With -f: " + ReadyFd.DESCRIPTION)
    private Integer readyFd;

    @Parameters(index = "0", paramLabel = "SESSION", description = "The session's name.")
    private String session;

    @Parameters(index = "1", paramLabel = "DIR", description = "The directory to mount it on.")
    private Path directory;

    @Override
    public void run() {
        if (foreground) {
            serve();
        } else if (readyFd == null) {
            ask();
        } else {
            throw new ToolException(Exit.USAGE, "--ready-fd is for a server: give -f, too");
        }
    }

    private void ask() {
        Request request = new Request.Mount(
                session, directory.toAbsolutePath(), Path.of("").toAbsolutePath(), String.join(",", options));
        if (Kexecfsd.askStarting(request) instanceof Answer.Failed failed) {
            throw new ToolException(
                    Exit.of(failed.errno()), "cannot mount " + session + " on " + directory + ": " + failed.message());
        }
    }

    private void serve() {
        ReadyFd ready = new ReadyFd(Optional.ofNullable(readyFd));
        try (KexecFsMount mount = mount(ready)) {
            // The session must have ended when the process does: LUO drops what nobody holds.
            Runtime.getRuntime().addShutdownHook(new Thread(mount::close, "unmount"));
            ready.serving();
            mount.awaitUnmounted();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private KexecFsMount mount(ReadyFd ready) {
        try {
            return KexecFsMount.mount(session, directory, MountOptions.parse(String.join(",", options)));
        } catch (ErrnoException e) {
            ready.failed(Exit.of(e.errno()));
            throw new ToolException(
                    Exit.of(e.errno()), "cannot mount " + session + " on " + directory + ": " + e.getMessage(), e);
        }
    }
}
