package org.kexecfs.tool;

import java.io.PrintWriter;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.kexecfs.mount.MountTable;
import org.kexecfs.mount.MountTable.MountedSession;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code kexecfs status}: the sessions that are mounted here. */
@Command(
        name = "status",
        description = {
            "Lists the sessions that are mounted here: name, state, entries, bytes, what holds them (the LUO device or"
                    + " the emulation) and the directory.",
            "The state 'dead' means that the process that served the mount is gone: 'kexecfs heal' has one of kexecfsd's mounted"
                    + " again, others are to be unmounted. 'hung': it has not answered within 5 seconds; 'unknown': it could not be asked."
                    + " Why, and what to do about it, is on stderr then, and the exit code is 1.%n"
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  kexecfs status",
            "  kexecfs status web && echo 'web is mounted'     (3 if it is not)",
            "  kexecfs status --json | jq -r '.[] | select(.state == \"dead\").directory'",
        })
final class StatusCommand implements Runnable {
    private static final List<String> HEADER = List.of("SESSION", "STATE", "ENTRIES", "BYTES", "BACKEND", "DIRECTORY");

    @Option(names = "--json", description = "An array of objects: session, directory, state, backend, entries, bytes.")
    private boolean json;

    @Parameters(arity = "0..1", paramLabel = "SESSION|DIR", description = "Only this one.")
    private String sessionOrDirectory;

    @Spec
    private CommandSpec spec;

    @Override
    public void run() {
        PrintWriter out = spec.commandLine().getOut();
        List<SessionInfo> sessions = SessionInfo.of(mounts().toList());
        if (json) {
            Json.write(out, sessions.stream().map(StatusCommand::object).toList());
        } else {
            Table.write(out, HEADER, sessions.stream().map(StatusCommand::row).toList());
        }
        out.flush();
        List<String> troubles =
                sessions.stream().flatMap(session -> session.trouble().stream()).toList();
        if (!troubles.isEmpty()) {
            throw new ToolException(Exit.FAILED, String.join("\nkexecfs: ", troubles));
        }
    }

    /** Each session once, where it was mounted first: its bind mounts say the same. */
    private Stream<MountedSession> mounts() {
        if (sessionOrDirectory != null) {
            return Stream.of(Mounted.one(sessionOrDirectory));
        }
        Set<Long> seen = new HashSet<>();
        return MountTable.read().stream().filter(m -> seen.add(m.device()));
    }

    private static List<String> row(SessionInfo info) {
        return List.of(
                Table.plain(info.mount().session()),
                info.state(),
                info.shown("entries"),
                info.shown("bytes"),
                info.shown("backend"),
                Table.plain(info.mount().directory().toString()));
    }

    private static Map<String, Object> object(SessionInfo info) {
        Map<String, Object> object = new LinkedHashMap<>();
        object.put("session", info.mount().session());
        object.put("directory", info.mount().directory().toString());
        object.put("state", info.state());
        object.put("backend", info.fields().get("backend"));
        object.put("entries", info.number("entries").orElse(null));
        object.put("bytes", info.number("bytes").orElse(null));
        return object;
    }
}
