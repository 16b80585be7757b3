package org.kexecfs.tool;

import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import org.kexecfs.posix.Pidfd;

/** The first process of a container, asked of the engines of this machine. */
final class ContainerProcess {
    private ContainerProcess() {}

    /**
     * Finds it and pins it.
     *
     * @param container name or id
     * @throws ToolException no engine has such a container, or it does not run
     * @throws org.kexecfs.posix.ErrnoException ENOENT if its process has ended, or is none that we see
     */
    static Pidfd open(String container) {
        List<String> said = new ArrayList<>();
        for (ContainerEngine engine : ContainerEngine.all()) {
            try {
                OptionalInt pid = engine.pidOf(container);
                if (pid.isPresent()) {
                    return pin(engine, container, pid.getAsInt());
                }
                said.add(engine + " has none");
            } catch (ContainerEngine.Silent e) {
                said.add(engine + ": " + e.getMessage());
            }
        }
        throw new ToolException(Exit.FAILED, "no container " + container + ": " + String.join("; ", said));
    }

    /** Asked again once it is pinned: between the first answer and that its number may have come to mean another process. */
    private static Pidfd pin(ContainerEngine engine, String container, int pid) throws ContainerEngine.Silent {
        if (pid == 0) {
            throw new ToolException(Exit.FAILED, "container " + container + " does not run; start it first");
        }
        Pidfd process = Pidfd.open(pid);
        try {
            if (engine.pidOf(container).equals(OptionalInt.of(pid))) {
                return process;
            }
        } catch (ContainerEngine.Silent e) {
            process.close();
            throw e;
        }
        process.close();
        throw new ToolException(Exit.FAILED, "container " + container + " has ended meanwhile");
    }
}
