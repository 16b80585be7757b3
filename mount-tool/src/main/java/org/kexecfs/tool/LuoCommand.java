package org.kexecfs.tool;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code kexecfs luo}: LUO's uAPI, a command for an ioctl. */
@Command(
        name = "luo",
        description = {
            "LUO's ioctls as commands, with no kexecfs mount in between: what the kernel alone does, to try and to compare.",
            "create and retrieve open a session and run COMMAND with it as an inherited descriptor, which lasts as long as"
                    + " COMMAND or something that it started has it. The other commands, within COMMAND, use that"
                    + " session: its number is in the variable KEXECFS_LUO_SESSION.%n"
        },
        subcommands = {
            LuoCreateCommand.class,
            LuoRetrieveCommand.class,
            LuoPreserveCommand.class,
            LuoRetrieveFdCommand.class,
            LuoFinishCommand.class,
            LuoGetNameCommand.class,
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  kexecfs luo create web -- sh          a shell that has the session",
            "  kexecfs luo preserve 1 5              in it: its fd 5 under token 1",
            "",
            "  kexecfs luo retrieve web -- sh -c '   after the kexec",
            "      kexecfs luo retrieve-fd 1 -- cp {} state && kexecfs luo finish'",
        })
final class LuoCommand implements Runnable {
    @Spec
    private CommandSpec spec;

    @Override
    public void run() {
        throw new ParameterException(
                spec.commandLine(), "one of create, retrieve, preserve, retrieve-fd, finish, get-name is missing");
    }
}
