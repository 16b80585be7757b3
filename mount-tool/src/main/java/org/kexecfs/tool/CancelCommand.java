package org.kexecfs.tool;

import java.util.Set;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code kexecfs cancel}: takes back from LUO what was prepared. */
@Command(
        name = "cancel",
        description = {
            "Takes a session's entries back from LUO: from 'prepared' to 'normal'. --all: of every session that is"
                    + " prepared.%n"
        },
        footerHeading = "%nExamples:%n",
        footer = {"  kexecfs cancel web", "  kexec -e || kexecfs cancel --all"})
final class CancelCommand implements Runnable {
    @ArgGroup(multiplicity = "1")
    private Sessions sessions;

    @Option(names = "--json", description = "An array of objects, one a session: " + Transition.FIELDS + ".")
    private boolean json;

    @Spec
    private CommandSpec spec;

    @Override
    public void run() {
        sessions.apply(new Transition("kexecfs.cancel", "1", Set.of("prepared")), json, spec);
    }
}
