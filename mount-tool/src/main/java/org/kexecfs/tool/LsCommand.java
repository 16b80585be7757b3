package org.kexecfs.tool;

import java.io.PrintWriter;
import java.util.Locale;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code kexecfs ls}: a session's entries as LUO sees them. */
@Command(
        name = "ls",
        description = {
            "Lists a session's entries: token (LUO's number for the file), type, size, status and name.",
            "Statuses: linked, preserved (LUO has it), restored, claimed (opened since the restore), missing, error"
                    + " ERRNO.%n"
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  kexecfs ls web",
            "  kexecfs ls --json /run/kexecfs/web | jq -r '.[] | select(.status == \"restored\").name'",
        })
final class LsCommand implements Runnable {
    @Option(names = "--json", description = "An array of objects: token, type, size, status, name.")
    private boolean json;

    @Parameters(paramLabel = "SESSION|DIR", description = "A mounted session, or where it is mounted.")
    private String sessionOrDirectory;

    @Spec
    private CommandSpec spec;

    @Override
    public void run() {
        FileList files = FileList.read(Mounted.one(sessionOrDirectory));
        PrintWriter out = spec.commandLine().getOut();
        if (json) {
            Json.write(out, files.objects());
        } else {
            Table.write(
                    out,
                    files.columns().stream()
                            .map(column -> column.toUpperCase(Locale.ROOT))
                            .toList(),
                    files.rows());
        }
    }
}
