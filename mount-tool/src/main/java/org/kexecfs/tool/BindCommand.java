package org.kexecfs.tool;

import jnr.constants.platform.linux.Errno;
import org.kexecfs.mount.Binding;
import org.kexecfs.mount.MountTable.MountedSession;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Pidfd;
import picocli.CommandLine.Command;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.TypeConversionException;

/** {@code kexecfs bind}: adds a session to a container that runs already. */
@Command(
        name = "bind",
        description = {
            "Adds a mounted session to a container that runs already, which goes on running: a bind mount of it appears there,"
                    + " at a directory that must exist. It is read-only if the mount here is.",
            "A number is a process, any other name a container of Docker or podman. Directories and symbolic links are the"
                    + " container's: they never lead out of it.%n"
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  kexecfs bind web --into nginx:/run/kexecfs",
            "  kexecfs bind /run/kexecfs/web --into 4711:/run/kexecfs",
            "  nsenter --target 4711 --mount umount /run/kexecfs    and away again",
        })
final class BindCommand implements Runnable {
    @Option(
            names = "--into",
            required = true,
            paramLabel = "PID|CONTAINER:PATH",
            description = "A process, or a container by its name or id, and the directory there.",
            converter = IntoConverter.class)
    private Into into;

    @Parameters(paramLabel = "SESSION|DIR", description = "A mounted session, or where it is mounted.")
    private String sessionOrDirectory;

    /**
     * Where to.
     *
     * @param whose a process's number, or a container's name or id
     * @param path a directory there, from its root
     */
    private record Into(String whose, String path) {
        /** Longer ones are no process's: they are a container's id that happens to have no letter. */
        private static final int LONGEST_PID = 7;

        Pidfd process() {
            return whose.length() <= LONGEST_PID && whose.chars().allMatch(Character::isDigit)
                    ? Pidfd.open(Integer.parseInt(whose))
                    : ContainerProcess.open(whose);
        }

        @Override
        public String toString() {
            return whose + ":" + path;
        }
    }

    /** Reads {@code PID|CONTAINER:PATH}. */
    static final class IntoConverter implements ITypeConverter<Into> {
        @Override
        public Into convert(String text) {
            int colon = text.indexOf(":/");
            if (colon <= 0 || text.indexOf('\0') >= 0) {
                throw new TypeConversionException("'" + text + "' is not PID:/PATH or CONTAINER:/PATH");
            }
            return new Into(text.substring(0, colon), text.substring(colon + 1));
        }
    }

    @Override
    public void run() {
        MountedSession mount = Mounted.one(sessionOrDirectory);
        if (SessionInfo.isDead(mount.directory())) {
            throw new ToolException(
                    Exit.FAILED,
                    "cannot bind " + mount.session()
                            + ": the process that served it is gone; unmount it and mount it again");
        }
        try (Pidfd process = into.process()) {
            Binding.bind(mount, process, into.path());
        } catch (ErrnoException e) {
            String next = e.is(Errno.ENOENT, Errno.ENOTDIR) ? "; the directory must exist there" : "";
            throw new ToolException(
                    Exit.of(e.errno()),
                    "cannot bind " + mount.session() + " into " + into + ": " + e.getMessage() + next,
                    e);
        }
    }
}
