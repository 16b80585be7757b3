package org.kexecfs.tool;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.kexecfs.fuse.KexecFsMount;
import org.kexecfs.mount.MountOptions;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code kexecfs mount}: mounts a session and serves it until it is unmounted. */
@Command(
        name = "mount",
        description = {
            "Mounts a session on a directory and serves it in the foreground, until it is unmounted or this process gets"
                    + " SIGINT or SIGTERM, which unmount it.",
            "What the kernel before handed over under that name is there again, and the state is 'updated'; otherwise"
                    + " the session is new and empty, and the state is 'normal'.%n"
        },
        footerHeading = "%nOptions of the filesystem (-o):%n",
        footer = {
            "  device=PATH            the LUO device, default /dev/liveupdate",
            "  emulate[=DIR]          the emulation in its place, its preserved memory in DIR",
            "  size=, nr_inodes=      limits, as tmpfs has them",
            "  uid=, gid=, mode=      owner and mode of the root",
            "  control_uid=, control_gid=, control_mode=",
            "                         owner and mode of the control files",
            "",
            "Examples:",
            "  kexecfs mount web /run/kexecfs/web",
            "  kexecfs mount -o size=1g,mode=0750,gid=33 web /run/kexecfs/web",
            "  kexecfs mount -o emulate=/tmp/luo try /mnt      on any kernel",
            "  mount -t kexecfs web /run/kexecfs/web           in the background, once installed",
        })
final class MountCommand implements Callable<Integer> {
    @Option(names = "-o", paramLabel = "OPTIONS", description = "Options of the filesystem, with commas; see below.")
    private List<String> options = new ArrayList<>();

    @Option(
            names = "--ready-fd",
            paramLabel = "N",
            description =
                    "Write 0 and a newline to the inherited file descriptor N and close it, once mounted; on failure"
                            + " the exit code. For who starts this in the background.")
    private Integer readyFd;

    @Parameters(index = "0", paramLabel = "SESSION", description = "The session's name.")
    private String session;

    @Parameters(index = "1", paramLabel = "DIR", description = "The directory to mount it on.")
    private Path directory;

    @Override
    public Integer call() throws InterruptedException {
        try (KexecFsMount mount = mount()) {
            // The session must have ended when the process does: LUO drops what nobody holds.
            Runtime.getRuntime().addShutdownHook(new Thread(mount::close, "unmount"));
            answer(Exit.OK);
            closeReadyFd();
            mount.awaitUnmounted();
            return Exit.OK;
        }
    }

    private KexecFsMount mount() {
        try {
            return KexecFsMount.mount(session, directory, MountOptions.parse(String.join(",", options)));
        } catch (ErrnoException e) {
            // The descriptor stays open, and whoever waits for its end finds the error printed.
            answer(Exit.of(e));
            throw new ToolException(
                    Exit.of(e), "cannot mount " + session + " on " + directory + ": " + e.getMessage(), e);
        }
    }

    private void answer(int exit) {
        if (readyFd != null) {
            try {
                // By its path: Java has no stream for an inherited descriptor.
                byte[] line = (exit + "\n").getBytes(StandardCharsets.US_ASCII);
                Files.write(Path.of("/proc/self/fd/" + readyFd), line, StandardOpenOption.WRITE);
            } catch (IOException e) {
                throw new UncheckedIOException("cannot write to fd " + readyFd, e);
            }
        }
    }

    private void closeReadyFd() {
        if (readyFd != null) {
            Fd.own(readyFd).close();
        }
    }
}
