package org.kexecfs.tool;

import java.io.PrintWriter;
import java.util.List;
import java.util.Map;
import org.kexecfs.posix.ErrnoException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code kexecfs luo get-name}: GET_NAME. */
@Command(
        name = "get-name",
        description = {"Prints the session's name (GET_NAME; before Linux 7.2, what /proc tells).%n"},
        footerHeading = "%nExample:%n",
        footer = "  kexecfs luo get-name")
final class LuoGetNameCommand implements Runnable {
    @Option(names = "--json", description = "An array of one object: session.")
    private boolean json;

    @Mixin
    private LuoSession session;

    @Spec
    private CommandSpec spec;

    @Override
    public void run() {
        PrintWriter out = spec.commandLine().getOut();
        String name = name();
        if (json) {
            Json.write(out, List.of(Map.of("session", name)));
        } else {
            out.println(name);
        }
    }

    private String name() {
        try {
            return session.inherited().name();
        } catch (ErrnoException e) {
            throw new ToolException(Exit.of(e.errno()), "cannot tell the name: " + e.getMessage(), e);
        }
    }
}
