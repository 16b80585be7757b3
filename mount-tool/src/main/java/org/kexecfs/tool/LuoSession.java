package org.kexecfs.tool;

import org.kexecfs.luo.LiveUpdate;
import org.kexecfs.luo.LiveUpdateSession;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import picocli.CommandLine.Option;

/** The session that {@code luo create} or {@code luo retrieve} left us, as a descriptor. */
final class LuoSession {
    private static final String VARIABLE = "KEXECFS_LUO_SESSION";

    @Option(
            names = "--session",
            paramLabel = "N",
            description = "The session's descriptor, default $KEXECFS_LUO_SESSION, which create and retrieve set.")
    private Integer number;

    /**
     * That descriptor {@code number} is not the session, which would end if another file took its place.
     *
     * @throws ToolException with {@link Exit#USAGE}
     */
    static void requireOther(int number) {
        if (Integer.toString(number).equals(System.getenv(VARIABLE))) {
            throw new ToolException(
                    Exit.USAGE, "--fd " + number + ": that is the session of 'kexecfs luo'; name another number");
        }
    }

    /** The environment's word for the session that is descriptor {@code number}. */
    static String variable(int number) {
        return VARIABLE + "=" + number;
    }

    LiveUpdateSession inherited() {
        int fd = number == null ? ofEnvironment() : number;
        try {
            Fd session = Fd.dupOf(fd);
            return LiveUpdate.of(session).adopt(session);
        } catch (ErrnoException e) {
            throw new ToolException(Exit.of(e.errno()), "cannot use fd " + fd + " as a session: " + e.getMessage(), e);
        }
    }

    private static int ofEnvironment() {
        String value = System.getenv(VARIABLE);
        if (value == null || !value.matches("\\d{1,9}")) {
            throw new ToolException(
                    Exit.USAGE,
                    "no session: run this within 'kexecfs luo create SESSION -- COMMAND' or 'luo retrieve', or name its"
                            + " descriptor with --session");
        }
        return Integer.parseInt(value);
    }
}
