package org.kexecfs.tool;

import java.nio.file.Path;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code kexecfs send}: an open file of the caller's becomes an entry. */
@Command(
        name = "send",
        description = {
            "Puts an open file of the caller's into a session, as NAME: the open file itself, not a copy. What is written"
                    + " to it afterwards is preserved, too. It must be memory: a memfd, or a tmpfs file that has no name.",
            "With --copy it may be anything that can be read, a pipe, a file on disk: its bytes go into new memory."
                    + " Where the mount can be written to, cp does that as well.%n"
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  kexecfs send /run/kexecfs/web/ram0 5            the memfd that the shell has as fd 5",
            "  kexecfs memfd - -- sh -c 'echo 1 >{}; kexecfs send /run/kexecfs/web/one 3'",
            "  tar -c -C /var/lib/web . | kexecfs send --copy /run/kexecfs/web/lib.tar",
        })
final class SendCommand implements Runnable {
    @Option(names = "--copy", description = "Send a copy, in new memory. On a terminal, progress is shown.")
    private boolean copy;

    @Parameters(
            index = "0",
            paramLabel = "NAME",
            description = "A path in a mounted session. No such entry is there yet.")
    private Path name;

    @Parameters(
            index = "1",
            arity = "0..1",
            paramLabel = "FD",
            description = "An open descriptor's number, default 0, the standard input.")
    private int number;

    @Spec
    private CommandSpec spec;

    @Override
    public void run() {
        SessionPath path = SessionPath.of(name);
        try (Fd given = Fd.dupOf(number);
                Fd file = copy ? copyOf(given) : given;
                SessionSocket socket = SessionSocket.of(path.mount())) {
            socket.preserve(path.name(), file);
        } catch (ErrnoException e) {
            throw new ToolException(
                    Exit.of(e.errno()), "cannot send fd " + number + " as " + name + ": " + explained(e), e);
        }
    }

    private Fd copyOf(Fd given) {
        Fd memfd = Fd.memfd("kexecfs");
        try {
            new Copy(given, Progress.to(spec.commandLine().getErr())).into(memfd);
            return memfd;
        } catch (RuntimeException e) {
            memfd.close();
            throw e;
        }
    }

    private String explained(ErrnoException e) {
        return e.is(Errno.EOPNOTSUPP) && !copy ? e.getMessage() + "; --copy sends its bytes" : e.getMessage();
    }
}
