package org.kexecfs.tool;

import org.kexecfs.posix.ErrnoException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code kexecfs luo finish}: FINISH. */
@Command(
        name = "finish",
        description = {
            "Ends LUO's hold on a retrieved session: its files are free to be preserved again, and what was not retrieved"
                    + " is gone for good (FINISH).%n"
        },
        footerHeading = "%nExample:%n",
        footer = "  kexecfs luo finish")
final class LuoFinishCommand implements Runnable {
    @Mixin
    private LuoSession session;

    @Override
    public void run() {
        try {
            session.inherited().finish();
        } catch (ErrnoException e) {
            throw new ToolException(Exit.of(e.errno()), "cannot finish: " + e.getMessage(), e);
        }
    }
}
