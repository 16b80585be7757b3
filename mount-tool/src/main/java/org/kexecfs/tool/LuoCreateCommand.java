package org.kexecfs.tool;

import org.kexecfs.luo.LiveUpdate;
import org.kexecfs.luo.LiveUpdateSession;
import org.kexecfs.posix.ErrnoException;
import picocli.CommandLine.Command;

/** {@code kexecfs luo create}: CREATE_SESSION. */
@Command(
        name = "create",
        description = {
            "Creates an outgoing session and runs COMMAND with it as an open descriptor (CREATE_SESSION). When nobody has"
                    + " the descriptor any more, LUO lets go of all that is in the session.%n"
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  kexecfs luo create --emulate /tmp/luo web -- sh",
            "  kexecfs luo create web -- kexecfs memfd - -- sh -c '",
            "      cp state {} && kexecfs luo preserve 1 3 && exec sleep infinity'",
        })
final class LuoCreateCommand extends LuoOpenCommand {
    @Override
    LiveUpdateSession open(LiveUpdate luo) {
        try {
            return luo.createSession(name());
        } catch (ErrnoException e) {
            throw new ToolException(Exit.of(e.errno()), "cannot create " + e.getMessage(), e);
        }
    }
}
