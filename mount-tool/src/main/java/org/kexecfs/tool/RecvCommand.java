package org.kexecfs.tool;

import java.nio.file.Path;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code kexecfs recv}: runs a command that has an entry's own memory as a descriptor. */
@Command(
        name = "recv",
        description = {
            "Runs COMMAND with the file NAME of a session as an open descriptor: the memory itself, as the program that"
                    + " linked it had it, not an open file of the mount. COMMAND takes the place of kexecfs, so its exit"
                    + " code is what you see.",
            "The descriptor is a duplicate of the session's own: its position is shared with it, and kept across the"
                    + " update. With --read-only it is an open file of its own. {} is opened anew by whoever opens it, at"
                    + " position 0.%n"
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  kexecfs recv /run/kexecfs/web/ram0 -- cat {}",
            "  kexecfs recv --fd 5 /run/kexecfs/vm/ram -- qemu-system-x86_64 -add-fd fd=5,set=1 ...",
            "  kexecfs recv -r /run/kexecfs/web/log -- grep -c error {}",
        })
final class RecvCommand extends DescriptorCommand {
    @Option(
            names = {"-r", "--read-only"},
            description = "Only to read: asks for no right to write.")
    private boolean readOnly;

    @Parameters(index = "0", paramLabel = "NAME", description = "A path in a mounted session.")
    private Path name;

    @Override
    Fd file() {
        SessionPath path = SessionPath.of(name);
        try (SessionSocket socket = SessionSocket.of(path.mount())) {
            return socket.open(path.name(), !readOnly);
        } catch (ErrnoException e) {
            throw new ToolException(Exit.of(e.errno()), "cannot receive " + name + ": " + explained(e), e);
        }
    }

    private String explained(ErrnoException e) {
        return e.is(Errno.EACCES, Errno.EROFS) && !readOnly
                ? e.getMessage() + "; --read-only asks for less"
                : e.getMessage();
    }
}
