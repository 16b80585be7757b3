package org.kexecfs.tool;

import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import org.kexecfs.posix.ErrnoException;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Help.Ansi;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ScopeType;

/** The command {@code kexecfs}: finds the subcommand, and turns its failure into one line and an exit code. */
@Command(
        name = "kexecfs",
        description = "Mounts of live update sessions: files in them survive a kexec.%n",
        versionProvider = Main.Version.class,
        usageHelpAutoWidth = true,
        addMethodSubcommands = false,
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {
            "0:done",
            "1:failed; what, why and what to do about it is on stderr",
            "2:the command line is wrong",
            "3:no such session or directory is mounted here",
            "4:busy: mounted already, or in use",
            "5:not permitted"
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  kexecfs demo                              see it work",
            "  kexecfs mount web /run/kexecfs/web        mount the session \"web\"",
            "  echo 1 > /run/kexecfs/web/kexecfs.prepare",
            "  kexecfs status --json",
        })
public final class Main implements Runnable {
    private static final Map<String, Supplier<Object>> COMMANDS = new LinkedHashMap<>();

    static {
        COMMANDS.put("mount", MountCommand::new);
        COMMANDS.put("umount", UmountCommand::new);
        COMMANDS.put("heal", HealCommand::new);
        COMMANDS.put("bind", BindCommand::new);
        COMMANDS.put("status", StatusCommand::new);
        COMMANDS.put("ls", LsCommand::new);
        COMMANDS.put("prepare", PrepareCommand::new);
        COMMANDS.put("cancel", CancelCommand::new);
        COMMANDS.put("finish", FinishCommand::new);
        COMMANDS.put("wait", WaitCommand::new);
        COMMANDS.put("send", SendCommand::new);
        COMMANDS.put("recv", RecvCommand::new);
        COMMANDS.put("memfd", MemfdCommand::new);
        COMMANDS.put("luo", LuoCommand::new);
        COMMANDS.put("kexec", KexecCommand::new);
        COMMANDS.put("demo", DemoCommand::new);
        COMMANDS.put("version", VersionCommand::new);
        COMMANDS.put("daemon", DaemonCommand::new);
        COMMANDS.put("docker-plugin", DockerPluginCommand::new);
    }

    @CommandLine.Spec
    private CommandLine.Model.CommandSpec spec;

    @Option(names = "--debug", scope = ScopeType.INHERIT, description = "Show where in the program an error was seen.")
    private boolean debug;

    @Option(
            names = {"-h", "--help"},
            usageHelp = true,
            scope = ScopeType.INHERIT,
            description = "Show this help.")
    private boolean help;

    @Option(
            names = {"-V", "--version"},
            versionHelp = true,
            description = "Show the version.")
    private boolean version;

    private Main() {}

    /** Runs a command and exits with its code. */
    public static void main(String[] arguments) {
        System.exit(run(
                new PrintWriter(System.out, true, StandardCharsets.UTF_8),
                new PrintWriter(System.err, true, StandardCharsets.UTF_8),
                arguments));
    }

    /**
     * Runs a command.
     *
     * @return its exit code
     */
    static int run(PrintWriter out, PrintWriter err, String... arguments) {
        Main main = new Main();
        try {
            Optional<Runnable> often = DaemonProcess.asked(arguments)
                    .<Runnable>map(daemon -> daemon::run)
                    .or(() -> MountCommand.asked(arguments));
            if (often.isPresent()) {
                often.get().run();
                return Exit.OK;
            }
            return main.line(out, err, arguments).execute(arguments);
        } catch (RuntimeException | Error e) {
            // picocli lets errors through: a library that does not fit, no memory.
            return main.report(e, err);
        }
    }

    private CommandLine line(PrintWriter out, PrintWriter err, String... arguments) {
        // It would look for them, and no option has such a value.
        System.setProperty("picocli.converters.excludes", "java\\.(sql|time)\\..*");
        CommandLine line = new CommandLine(this);
        // To read one command's annotations takes longer than much of what a mount does: the others' are left alone.
        String first = arguments.length == 0 ? "" : arguments[0];
        COMMANDS.forEach((name, command) -> {
            if (name.equals(first) || !COMMANDS.containsKey(first)) {
                line.addSubcommand(name, command.get());
            }
        });
        return line.setOut(out)
                .setErr(err)
                // An argument of @FILE is a COMMAND's.
                .setExpandAtFiles(false)
                .setColorScheme(CommandLine.Help.defaultColorScheme(Ansi.OFF))
                .setParameterExceptionHandler(Main::refuse)
                .setExecutionExceptionHandler((failure, command, parsed) -> report(failure, err));
    }

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "a command is missing");
    }

    private static int refuse(ParameterException wrong, String[] arguments) {
        PrintWriter err = wrong.getCommandLine().getErr();
        err.println("kexecfs: " + wrong.getMessage());
        err.println("Try '" + wrong.getCommandLine().getCommandSpec().qualifiedName() + " --help'.");
        return Exit.USAGE;
    }

    private int report(Throwable failure, PrintWriter err) {
        err.println("kexecfs: " + (failure.getMessage() == null ? failure.toString() : failure.getMessage()));
        if (debug) {
            failure.printStackTrace(err);
        }
        return switch (failure) {
            case ToolException told -> told.exit();
            case ErrnoException told -> Exit.of(told.errno());
            default -> Exit.FAILED;
        };
    }

    static final class Version implements IVersionProvider {
        static final long INTERFACE = 1;

        /** Null if it is not packaged. */
        static String ofPackage() {
            return Main.class.getPackage().getImplementationVersion();
        }

        @Override
        public String[] getVersion() {
            String version = ofPackage();
            return new String[] {
                "kexecfs " + (version == null ? "(not packaged)" : version),
                "interface " + INTERFACE + ", Java " + Runtime.version()
            };
        }
    }
}
