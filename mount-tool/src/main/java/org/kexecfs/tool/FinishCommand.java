package org.kexecfs.tool;

import java.util.Set;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code kexecfs finish}: accepts what came over. */
@Command(
        name = "finish",
        description = {
            "Accepts a session's restored files, and ends LUO's hold on them: from 'updated' to 'normal'. In 'failed' it"
                    + " goes on with what could be restored, and drops the rest. --all: of every session that is"
                    + " updated; those that failed are finished one by one.%n"
        },
        footerHeading = "%nExamples:%n",
        footer = {"  kexecfs finish web", "  kexecfs finish --strict --all"})
final class FinishCommand implements Runnable {
    @ArgGroup(multiplicity = "1")
    private Sessions sessions;

    @ArgGroup
    private How how;

    /** What becomes of files that nobody has claimed, if they are not simply kept. */
    static final class How {
        @Option(names = "--strict", description = "Fail while a file was not claimed: opened, or handed out.")
        private boolean strict;

        @Option(names = "--release", description = "Drop the files that were not claimed.")
        private boolean release;
    }

    @Option(names = "--json", description = "An array of objects, one a session: " + Transition.FIELDS + ".")
    private boolean json;

    @Spec
    private CommandSpec spec;

    @Override
    public void run() {
        String word = how == null || !(how.strict || how.release) ? "1" : how.strict ? "strict" : "release";
        sessions.apply(new Transition("kexecfs.finish", word, Set.of("updated")), json, spec);
    }
}
