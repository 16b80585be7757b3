package org.kexecfs.tool;

import java.util.List;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Exec;
import org.kexecfs.posix.Fd;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/**
 * A command that opens something and runs another, COMMAND, which has it as a descriptor. COMMAND takes our place ({@link
 * Exec}), so what it returns is what the shell sees.
 */
abstract class DescriptorCommand implements Runnable {
    private static final String PLACE = "{}";

    @Option(
            names = "--fd",
            paramLabel = "N",
            description = "The descriptor's number in COMMAND, default ${DEFAULT-VALUE}.")
    private int number;

    @Parameters(
            index = "1..*",
            arity = "1..*",
            paramLabel = "COMMAND",
            description =
                    "What to run, with its arguments; write -- before it. {} in them becomes the descriptor's path,"
                            + " /proc/self/fd/N, if it is a file's.")
    private List<String> words;

    /** With {@code --fd 3}, as the C client has it. */
    DescriptorCommand() {
        this(3);
    }

    /**
     * @param number what {@code --fd} is where it is not given
     */
    DescriptorCommand(int number) {
        this.number = number;
    }

    /** What COMMAND is to have; asked for once. */
    abstract Fd file();

    /** {@code NAME=VALUE}, for its environment. */
    List<String> variables() {
        return List.of();
    }

    /**
     * Becomes COMMAND; does not return.
     *
     * @throws ToolException with 127 if there is no such command, 126 if it cannot be run
     */
    @Override
    public void run() {
        if (number < 0) {
            throw new ToolException(Exit.USAGE, "--fd " + number + ": a descriptor's number is 0 or more");
        }
        LuoSession.requireOther(number);
        Fd file = file();
        try {
            ErrnoException e = Exec.become(arguments(), OuterEnvironment.with(variables()), file, number);
            throw cannotRun(Exit.ofCommand(e.errno()), e);
        } catch (ErrnoException e) {
            throw cannotRun(Exit.of(e.errno()), e);
        }
    }

    private ToolException cannotRun(int exit, ErrnoException e) {
        return new ToolException(exit, "cannot run " + words.getFirst() + ": " + e.getMessage(), e);
    }

    /** The descriptor's number in COMMAND. */
    final int number() {
        return number;
    }

    /** As they were given, byte by byte, which the text that Java made of them may not tell any more. */
    private List<String> arguments() {
        List<String> all = Exec.ownArguments();
        return all.subList(all.size() - words.size(), all.size()).stream()
                .map(this::filled)
                .toList();
    }

    /** An argument of COMMAND, with the descriptor's path where it is wanted. */
    String filled(String argument) {
        return argument.replace(PLACE, "/proc/self/fd/" + number);
    }
}
