package org.kexecfs.tool;

import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.kexecfs.mount.MountTable.MountedSession;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.Poll;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code kexecfs wait}: poll(2) on {@code kexecfs.state}, for shells, which have none. */
@Command(
        name = "wait",
        description = {
            "Waits until a session is in one of the states, and prints which: normal, prepared, updated or failed. Returns"
                    + " at once if it is. A state that comes and goes at once may be missed.",
            "While it waits it keeps the mount busy, as every open file does.%n"
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  kexecfs wait web prepared && systemctl stop web",
            "  kexecfs wait --timeout 30 /run/kexecfs/web normal || cat /run/kexecfs/web/kexecfs.error",
        })
final class WaitCommand implements Runnable {
    private static final String FILE = "kexecfs.state";
    private static final Set<String> STATES = Set.of("normal", "prepared", "updated", "failed");
    private static final int LONGEST_STATE = 64;

    @Option(
            names = "--timeout",
            paramLabel = "SECONDS",
            description = "Fail, with exit code 1, if it does not come within this time. Default: wait for ever.")
    private Integer timeout;

    @Option(names = "--json", description = "An array of one object: session, directory, state.")
    private boolean json;

    @Parameters(index = "0", paramLabel = "SESSION|DIR", description = "A mounted session, or where it is mounted.")
    private String sessionOrDirectory;

    @Parameters(index = "1..*", arity = "1..*", paramLabel = "STATE", description = "What to wait for.")
    private List<String> states;

    @Spec
    private CommandSpec spec;

    @Override
    public void run() {
        check();
        MountedSession mount = Mounted.one(sessionOrDirectory);
        String state = await(mount);
        PrintWriter out = spec.commandLine().getOut();
        if (json) {
            Map<String, Object> object = new LinkedHashMap<>();
            object.put("session", mount.session());
            object.put("directory", mount.directory().toString());
            object.put("state", state);
            Json.write(out, List.of(object));
        } else {
            out.println(state);
        }
    }

    private void check() {
        states.stream().filter(state -> !STATES.contains(state)).findFirst().ifPresent(state -> {
            throw new ToolException(Exit.USAGE, state + " is no state: there are normal, prepared, updated and failed");
        });
        if (timeout != null && timeout < 0) {
            throw new ToolException(Exit.USAGE, "--timeout " + timeout + ": seconds are 0 or more");
        }
    }

    private String await(MountedSession mount) {
        long deadline = timeout == null
                ? Long.MAX_VALUE
                : System.nanoTime() + Duration.ofSeconds(timeout).toNanos();
        try (Fd file = Fd.open(mount.directory().resolve(FILE).toString(), Fd.O_RDONLY, 0)) {
            while (true) {
                // The read comes first: it is what the next change is told since.
                String state = read(file);
                if (states.contains(state)) {
                    return state;
                }
                if (Poll.await(List.of(new Poll.Wanted(file, Poll.POLLPRI)), left(deadline))
                                .isEmpty()
                        && System.nanoTime() >= deadline) {
                    throw new ToolException(
                            Exit.FAILED,
                            mount.session() + " is " + state + " and not " + String.join(" or ", states) + " within "
                                    + timeout + " s");
                }
            }
        } catch (ErrnoException e) {
            String why = SessionInfo.isDead(mount.directory())
                    ? "the process that served it is gone; unmount it with 'kexecfs umount " + mount.directory() + "'"
                    : e.getMessage();
            throw new ToolException(Exit.of(e.errno()), "cannot wait for " + mount.session() + ": " + why, e);
        }
    }

    private static String read(Fd file) {
        byte[] bytes = new byte[LONGEST_STATE];
        return new String(bytes, 0, file.pread(bytes, 0), StandardCharsets.US_ASCII).strip();
    }

    /** Milliseconds, never 0 too early. */
    private static int left(long deadline) {
        if (deadline == Long.MAX_VALUE) {
            return Poll.FOREVER;
        }
        long milliseconds = Duration.ofNanos(deadline - System.nanoTime()).toMillis() + 1;
        return Math.clamp(milliseconds, 0, Integer.MAX_VALUE);
    }
}
