package org.kexecfs.tool;

import java.util.ArrayList;
import java.util.List;
import org.kexecfs.posix.Exec;

/** The environment that a COMMAND finds: that of whoever started us, and variables of ours. */
final class OuterEnvironment {
    /** What bin/kexecfs changed in the environment; it tells the values before as properties of these names. */
    private static final String BEFORE = "kexecfs.before.";

    private static final List<String> CHANGED = List.of("LC_ALL", "MALLOC_ARENA_MAX");

    private OuterEnvironment() {}

    /**
     * The environment; each byte a char (ISO 8859-1).
     *
     * @param variables ours, {@code NAME=VALUE}: they replace what is there
     */
    static List<String> with(List<String> variables) {
        List<String> environment = new ArrayList<>(Exec.ownEnvironment());
        for (String name : CHANGED) {
            environment.removeIf(e -> e.startsWith(name + "="));
            String before = System.getProperty(BEFORE + name);
            if (before != null) {
                environment.add(name + "=" + before);
            }
        }
        for (String variable : variables) {
            String name = variable.substring(0, variable.indexOf('=') + 1);
            environment.removeIf(e -> e.startsWith(name));
            environment.add(variable);
        }
        return environment;
    }
}
