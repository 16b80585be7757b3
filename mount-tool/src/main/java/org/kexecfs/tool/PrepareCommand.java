package org.kexecfs.tool;

import java.util.Set;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code kexecfs prepare}: hands all entries to LUO. */
@Command(
        name = "prepare",
        description = {
            "Hands every entry of a session to LUO, all or none, and returns when that is done: the session is 'prepared',"
                    + " and a kexec carries it over. Prepared already is no error.",
            "--all goes on past a session that fails, says which did and why, and fails at the end; one that is 'updated'"
                    + " is to be finished first.%n"
        },
        footerHeading = "%nExamples:%n",
        footer = {"  kexecfs prepare web", "  kexecfs prepare --all && kexec -e"})
final class PrepareCommand implements Runnable {
    @ArgGroup(multiplicity = "1")
    private Sessions sessions;

    @Option(names = "--json", description = "An array of objects, one a session: " + Transition.FIELDS + ".")
    private boolean json;

    @Spec
    private CommandSpec spec;

    @Override
    public void run() {
        sessions.apply(
                new Transition("kexecfs.prepare", "1", Set.of("normal", "prepared", "updated", "failed")), json, spec);
    }
}
