package org.kexecfs.mount;

import java.util.List;
import java.util.Optional;

/**
 * A place where a filesystem is mounted, as a process sees it (proc_pid_mountinfo(5)).
 *
 * @param process whose view it is
 * @param mount the mount's number
 * @param device the filesystem's number, as in {@link org.kexecfs.posix.FileId}
 * @param root what of the filesystem is mounted there, from its root
 * @param point the mount point, from the process's root
 * @param options the mount's own
 */
record SeenMount(int process, long mount, long device, String root, String point, List<String> options) {
    /** Reads a line: ID PARENT MAJOR:MINOR ROOT MOUNT-POINT OPTIONS .... */
    static Optional<SeenMount> parse(String process, String line) {
        String[] fields = line.split(" ");
        if (fields.length < 6) {
            return Optional.empty();
        }
        return Optional.of(new SeenMount(
                Integer.parseInt(process),
                Long.parseLong(fields[0]),
                MountViews.device(line),
                MountTable.unescape(fields[3]),
                MountTable.unescape(fields[4]),
                List.of(fields[5].split(","))));
    }

    boolean has(String option) {
        return options.contains(option);
    }

    @Override
    public String toString() {
        return point + " of process " + process;
    }
}
