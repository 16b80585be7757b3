package org.kexecfs.tool;

import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** {@code kexecfs luo retrieve-fd}: RETRIEVE_FD. */
@Command(
        name = "retrieve-fd",
        description = {"Runs COMMAND with a file of a retrieved session as an open descriptor (RETRIEVE_FD).%n"},
        footerHeading = "%nExamples:%n",
        footer = {
            "  kexecfs luo retrieve-fd 1 -- cp {} state",
            "  kexecfs luo retrieve-fd --fd 7 1 -- my-service --state-fd 7",
        })
final class LuoRetrieveFdCommand extends DescriptorCommand {
    @Mixin
    private LuoSession session;

    @Parameters(index = "0", paramLabel = "TOKEN", description = "What the file was preserved under.")
    private String token;

    @Override
    Fd file() {
        long parsed = LuoToken.parse(token);
        try {
            return session.inherited().retrieve(parsed);
        } catch (ErrnoException e) {
            throw new ToolException(Exit.of(e.errno()), "cannot retrieve: " + e.getMessage(), e);
        }
    }
}
