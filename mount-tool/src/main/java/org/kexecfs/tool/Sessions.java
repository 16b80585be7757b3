package org.kexecfs.tool;

import java.io.PrintWriter;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Arguments of a command that is for one session, or for all. */
final class Sessions {
    @Option(names = "--all", required = true, description = "Every session that is mounted here.")
    private boolean all;

    @Parameters(paramLabel = "SESSION|DIR", description = "A mounted session, or where it is mounted.")
    private String sessionOrDirectory;

    /** Does something to those that are meant, and tells what came of it. */
    void apply(Transition transition, boolean json, CommandSpec spec) {
        PrintWriter out = spec.commandLine().getOut();
        if (all) {
            transition.all(out, json, spec.commandLine().getErr());
        } else {
            transition.one(sessionOrDirectory, out, json);
        }
    }
}
