package org.kexecfs.tool;

import org.kexecfs.luo.LiveUpdate;
import org.kexecfs.luo.LiveUpdateSession;
import org.kexecfs.posix.ErrnoException;
import picocli.CommandLine.Command;

/** {@code kexecfs luo retrieve}: RETRIEVE_SESSION. */
@Command(
        name = "retrieve",
        description = {
            "Opens the session that the kernel before preserved under that name, and runs COMMAND with it as an open"
                    + " descriptor (RETRIEVE_SESSION). It can be retrieved once. When nobody has the descriptor any more,"
                    + " what was not retrieved from it is gone for good.%n"
        },
        footerHeading = "%nExample:%n",
        footer = "  kexecfs luo retrieve web -- sh -c 'kexecfs luo retrieve-fd 1 -- cp {} state && kexecfs luo finish'")
final class LuoRetrieveCommand extends LuoOpenCommand {
    @Override
    LiveUpdateSession open(LiveUpdate luo) {
        try {
            return luo.retrieveSession(name());
        } catch (ErrnoException e) {
            throw new ToolException(Exit.of(e.errno()), "cannot retrieve " + e.getMessage(), e);
        }
    }
}
