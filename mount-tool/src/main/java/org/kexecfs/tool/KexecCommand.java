package org.kexecfs.tool;

import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.kexecfs.daemon.Address;
import org.kexecfs.luo.EmulatedLiveUpdate;
import org.kexecfs.mount.MountTable;
import org.kexecfs.mount.MountTable.MountedSession;
import org.kexecfs.mount.SessionLock;
import org.kexecfs.posix.Mounts;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code kexecfs kexec --emulate DIR}: does to the mounts of an emulation what a kexec does to all. */
@Command(
        name = "kexec",
        description = {
            "Does what a kexec does, to an emulation of LUO: what is prepared is handed over, and its mounts are gone:"
                    + " kexecfsd drops them, other processes that serve them are killed. Mount the sessions again to have their files back.",
            "The machine itself goes on. A real kexec is kexec(8)'s: 'kexec -s -l ... && kexec -e'.%n"
        },
        footerHeading = "%nExample:%n",
        footer = "  kexecfs kexec --emulate /tmp/luo")
final class KexecCommand implements Runnable {
    @Option(names = "--emulate", required = true, description = "Emulate it: there is no kexec of the machine here.")
    private boolean emulate;

    @Option(names = "--json", description = "An array of objects, one a session that was handed over: session.")
    private boolean json;

    @Parameters(paramLabel = "DIR", description = "The emulation's directory, as in 'mount -o emulate=DIR'.")
    private Path directory;

    @Spec
    private CommandSpec spec;

    @Override
    public void run() {
        if (!Files.isDirectory(directory)) {
            throw new ToolException(
                    Exit.FAILED, directory + " is no emulation's directory: nothing was mounted with it");
        }
        Path emulation = directory.toAbsolutePath().normalize();
        // No others are so much as looked at: one whose server does not answer would make us wait for it.
        List<MountedSession> mounts = mountsOf(emulation);
        EmulatedLiveUpdate.Kexec done = new EmulatedLiveUpdate(emulation).kexec();
        Optional<Integer> daemon = Kexecfsd.drop(emulation);
        // It has other emulations' sessions, too.
        Set<Integer> keeper = Address.ours().keeper();
        done.holders().stream()
                .filter(holder -> !Optional.of(holder).equals(daemon) && !keeper.contains(holder))
                .forEach(KexecCommand::kill);
        mounts.reversed().stream()
                .map(MountedSession::directory)
                .filter(SessionInfo::isDead)
                .forEach(Mounts::detach);
        tell(done.sessions());
    }

    private void tell(List<String> sessions) {
        PrintWriter out = spec.commandLine().getOut();
        if (json) {
            Json.write(
                    out,
                    sessions.stream()
                            .map(session -> Map.<String, Object>of("session", session))
                            .toList());
        } else {
            out.println(
                    "kexec emulated; handed over: " + (sessions.isEmpty() ? "nothing" : String.join(", ", sessions)));
        }
    }

    /** Those of an emulation, and their bind mounts. */
    private static List<MountedSession> mountsOf(Path emulation) {
        Set<String> places = SessionLock.placesOf(emulation);
        List<MountedSession> all = MountTable.read();
        Set<Long> filesystems = all.stream()
                .filter(mount -> places.contains("at " + mount.directory()))
                .map(MountedSession::device)
                .collect(Collectors.toSet());
        return all.stream()
                .filter(mount -> filesystems.contains(mount.device()))
                .toList();
    }

    private static void kill(int pid) {
        Optional<ProcessHandle> process = ProcessHandle.of(pid);
        process.ifPresent(ProcessHandle::destroyForcibly);
        process.ifPresent(p -> p.onExit().join());
    }
}
