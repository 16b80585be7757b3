package org.kexecfs.tool;

import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code kexecfs version}, for those who look for it among the commands. */
@Command(name = "version", description = "Shows the version.")
final class VersionCommand implements Runnable {
    @Option(names = "--json", description = "An array of one object: version (null if not packaged), interface, java.")
    private boolean json;

    @Spec
    private CommandSpec spec;

    @Override
    public void run() {
        PrintWriter out = spec.commandLine().getOut();
        if (json) {
            Json.write(out, List.of(fields()));
        } else {
            spec.parent().commandLine().printVersionHelp(out);
        }
    }

    private static Map<String, Object> fields() {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("version", Main.Version.ofPackage());
        fields.put("interface", Main.Version.INTERFACE);
        fields.put("java", Runtime.version().toString());
        return fields;
    }
}
