package org.kexecfs.tool;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code kexecfs memfd}: runs a command that has new memory as a descriptor, which is an entry already. */
@Command(
        name = "memfd",
        description = {
            "Makes a memfd, puts it into a session as NAME, and runs COMMAND with it as an open descriptor. COMMAND takes"
                    + " the place of kexecfs, so its exit code is what you see.",
            "NAME - stands for no session: the memfd is COMMAND's alone, to be sent or linked later.%n"
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  kexecfs memfd --size 1g /run/kexecfs/vm/ram -- my-vmm --ram-fd 3",
            "  kexecfs memfd /run/kexecfs/web/log -- sh -c 'exec my-service >>{}'",
            "  kexecfs memfd - -- sh -c 'make-cache >{} && kexecfs send /run/kexecfs/web/cache 3'",
        })
final class MemfdCommand extends DescriptorCommand {
    private static final String NO_SESSION = "-";

    @Option(names = "--size", paramLabel = "SIZE", description = "Bytes that it is to have, or 1k, 1m, 1g; default 0.")
    private String size = "0";

    @Parameters(
            index = "0",
            paramLabel = "NAME",
            description = "A path in a mounted session, where no such entry is yet; or -.")
    private Path name;

    /** Once it is an entry. */
    private Path entry;

    @Override
    public void run() {
        try {
            super.run();
        } catch (ToolException e) {
            removeEntry();
            throw e;
        }
    }

    @Override
    Fd file() {
        Fd memfd = make(Size.parse("--size", size));
        if (!name.toString().equals(NO_SESSION)) {
            preserve(memfd);
        }
        return memfd;
    }

    private Fd make(long bytes) {
        try {
            Fd memfd = Fd.memfd("kexecfs");
            memfd.truncate(bytes);
            return memfd;
        } catch (ErrnoException e) {
            throw new ToolException(Exit.of(e.errno()), "cannot make a memfd of " + size + ": " + e.getMessage(), e);
        }
    }

    private void preserve(Fd memfd) {
        SessionPath path = SessionPath.of(name);
        try (SessionSocket socket = SessionSocket.of(path.mount())) {
            socket.preserve(path.name(), memfd);
            entry = path.file();
        } catch (ErrnoException e) {
            throw new ToolException(
                    Exit.of(e.errno()), "cannot put a memfd into the session as " + name + ": " + e.getMessage(), e);
        }
    }

    /** What was made for a command that cannot be run is of no use to anybody. */
    private void removeEntry() {
        try {
            if (entry != null) {
                Files.delete(entry);
            }
        } catch (IOException e) {
            throw new ToolException(Exit.FAILED, entry + " is left, without a program: " + e.getMessage(), e);
        }
    }
}
