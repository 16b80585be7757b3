package org.kexecfs.tool;

import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.daemon.Answer;
import org.kexecfs.daemon.Request;
import org.kexecfs.fuse.KexecFsMount;
import org.kexecfs.fuse.PrivateMount;
import org.kexecfs.log.Provider;
import org.kexecfs.mount.MountOptions;
import org.kexecfs.posix.ErrnoException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code kexecfs mount}: has a session mounted by the daemon, or mounts it and serves it until it is unmounted. */
@Command(
        name = "mount",
        addMethodSubcommands = false,
        customSynopsis = {
            "kexecfs mount [-f [--ready-fd N]] [-o OPTIONS] SESSION DIR",
            "       kexecfs mount --private [-o OPTIONS] SESSION -- COMMAND [ARG...]"
        },
        description = {
            "Mounts a session on a directory, and returns when it is mounted: kexecfsd serves it, which is started if it"
                    + " does not run.",
            "What the kernel before handed over under that name is there again, and the state is 'updated'; otherwise"
                    + " the session is new and empty, and the state is 'normal'.",
            "With --private the mount is on no directory and in no mount table. COMMAND is run with it as an open directory,"
                    + " whose number is in KEXECFS_FD; {} in an ARG becomes its path, /proc/self/fd/NUMBER. The session"
                    + " ends by itself with the last descriptor of the mount. The exit code is COMMAND's, or 128 more"
                    + " than the number of the signal that ended it.%n"
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
            "  kexecfs mount --private web -- tar -xf web.tar -C {}/",
        })
final class MountCommand implements Callable<Integer> {
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

    @Option(
            names = "--private",
            description = "On no directory: for COMMAND, and for whomever it hands the mount to. Also -o private.")
    private boolean nowhere;

    @Parameters(
            index = "1..*",
            arity = "1..*",
            paramLabel = "DIR | COMMAND",
            description = "The directory to mount it on; or what to run, after --.")
    private List<String> directoryOrCommand;

    /**
     * What nearly every mount is asked for by, if these are such words: {@code mount [-o OPTIONS] [--] SESSION DIR}. To have picocli find
     * out what they mean took as long as all else that such a command does. What is anything else, or wrong, is left to it.
     */
    static Optional<Runnable> asked(String... arguments) {
        Deque<String> words = new ArrayDeque<>(List.of(arguments));
        if (!"mount".equals(words.poll())) {
            return Optional.empty();
        }
        String options = "";
        if ("-o".equals(words.peek()) && words.size() > 1) {
            words.remove();
            options = words.remove();
        }
        boolean plain = "--".equals(words.peek());
        if (plain) {
            words.remove();
        }
        if (words.size() != 2
                || isPrivate(options)
                || !isPlain(options)
                || !plain && !words.stream().allMatch(MountCommand::isPlain)) {
            return Optional.empty();
        }
        String asked = options;
        return Optional.of(() -> ask(words.getFirst(), directory(words.getLast()), asked));
    }

    /** As the kernel has it; Java takes an empty path for the working directory. */
    private static Path directory(String word) {
        if (word.isEmpty()) {
            throw new ErrnoException(Errno.ENOENT, "DIR is empty");
        }
        return Path.of(word);
    }

    private static boolean isPlain(String word) {
        return !word.startsWith("-");
    }

    private static boolean isPrivate(String options) {
        return List.of(options.split(",")).contains("private");
    }

    @Override
    public Integer call() throws InterruptedException {
        if (nowhere || isPrivate(joined())) {
            if (foreground || readyFd != null) {
                throw new ToolException(Exit.USAGE, "-f and --ready-fd are for a mount on a directory");
            }
            return runPrivately();
        }
        if (directoryOrCommand.size() > 1) {
            throw new ToolException(Exit.USAGE, "one argument too many: " + directoryOrCommand.get(1));
        }
        mount(directory(directoryOrCommand.getFirst()));
        return Exit.OK;
    }

    private int runPrivately() throws InterruptedException {
        // Before anything is opened. And what a server tells of itself would come between what the command says.
        PrivateCommand command = new PrivateCommand(CommandSetting.found(directoryOrCommand));
        System.setProperty(Provider.LEAST, "warn");
        try (PrivateMount mount = privateMount()) {
            return command.run(mount);
        }
    }

    private PrivateMount privateMount() {
        try {
            return PrivateMount.mount(session, parsed());
        } catch (ErrnoException e) {
            throw new ToolException(Exit.of(e.errno()), "cannot mount " + session + " privately: " + e.getMessage(), e);
        }
    }

    private void mount(Path directory) throws InterruptedException {
        if (foreground) {
            serve(directory);
        } else if (readyFd == null) {
            ask(session, directory, joined());
        } else {
            throw new ToolException(Exit.USAGE, "--ready-fd is for a server: give -f, too");
        }
    }

    private static void ask(String session, Path directory, String options) {
        Request.Mount request = new Request.Mount(
                session, directory.toAbsolutePath(), Path.of("").toAbsolutePath(), options);
        if (Kexecfsd.mount(request) instanceof Answer.Failed failed) {
            throw new ToolException(
                    Exit.of(failed.errno()), "cannot mount " + session + " on " + directory + ": " + failed.message());
        }
    }

    private void serve(Path directory) throws InterruptedException {
        ReadyFd ready = new ReadyFd(Optional.ofNullable(readyFd));
        try (KexecFsMount mount = mount(directory, ready)) {
            // The session must have ended when the process does: LUO drops what nobody holds.
            Runtime.getRuntime().addShutdownHook(new Thread(mount::close, "unmount"));
            ready.serving();
            mount.awaitUnmounted();
        }
    }

    private KexecFsMount mount(Path directory, ReadyFd ready) {
        try {
            return KexecFsMount.mount(session, directory, parsed());
        } catch (ErrnoException e) {
            ready.failed(Exit.of(e.errno()));
            throw new ToolException(
                    Exit.of(e.errno()), "cannot mount " + session + " on " + directory + ": " + e.getMessage(), e);
        }
    }

    private MountOptions parsed() {
        return MountOptions.parse(joined());
    }

    private String joined() {
        return String.join(",", options);
    }
}
