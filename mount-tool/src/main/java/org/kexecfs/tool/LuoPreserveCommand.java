package org.kexecfs.tool;

import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** {@code kexecfs luo preserve}: PRESERVE_FD. */
@Command(
        name = "preserve",
        description = {
            "Hands an open file of the caller's to LUO, under a token (PRESERVE_FD). From here on its size is frozen.%n"
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  kexecfs luo preserve 1 5",
            "  kexecfs memfd - -- sh -c 'cp state {} && kexecfs luo preserve 1 3 && exec sleep infinity'",
        })
final class LuoPreserveCommand implements Runnable {
    @Mixin
    private LuoSession session;

    @Parameters(
            index = "0",
            paramLabel = "TOKEN",
            description = "Names the file in the session: any 64 bits, unsigned.")
    private String token;

    @Parameters(
            index = "1",
            arity = "0..1",
            paramLabel = "FD",
            description = "An open descriptor's number, default 0, the standard input.")
    private int number;

    @Override
    public void run() {
        long parsed = LuoToken.parse(token);
        try (Fd file = Fd.dupOf(number)) {
            session.inherited().preserve(file, parsed);
        } catch (ErrnoException e) {
            throw new ToolException(Exit.of(e.errno()), "cannot preserve fd " + number + ": " + e.getMessage(), e);
        }
    }
}
