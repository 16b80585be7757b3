package org.kexecfs.tool;

import java.util.List;
import java.util.SortedSet;
import org.kexecfs.posix.Child;
import org.kexecfs.posix.Exec;
import org.kexecfs.posix.ResourceLimits.OpenFiles;

/**
 * What the command of a private mount is started with: as if by who started us, but for the mount.
 *
 * @param arguments the command and its arguments; each byte a char (ISO 8859-1)
 * @param descriptors those that it inherits, from 3 on
 * @param openFiles how many files it may have open
 */
record CommandSetting(List<String> arguments, SortedSet<Integer> descriptors, OpenFiles openFiles) {
    private static final String VARIABLE = "KEXECFS_FD";
    private static final String PLACE = "{}";
    private static final int FIRST = 3;

    /**
     * What we were started with; to be asked early, before we open files.
     *
     * @param command the end of our own command line
     */
    static CommandSetting found(List<String> command) {
        List<String> all = Exec.ownArguments();
        return new CommandSetting(
                all.subList(all.size() - command.size(), all.size()), Child.inherited(), OpenFiles.current());
    }

    /** The lowest number from 3 on that the command has no descriptor of yet. */
    int freeNumber() {
        int number = FIRST;
        while (descriptors.contains(number)) {
            number++;
        }
        return number;
    }

    /** The arguments, with the mount's path for each {@code {}}. */
    List<String> argumentsWith(int number) {
        return arguments.stream()
                .map(argument -> argument.replace(PLACE, "/proc/self/fd/" + number))
                .toList();
    }

    /** The environment, with the mount's number. */
    List<String> environmentWith(int number) {
        return OuterEnvironment.with(List.of(VARIABLE + "=" + number));
    }
}
