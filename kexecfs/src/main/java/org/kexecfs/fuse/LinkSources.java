package org.kexecfs.fuse;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.FileStatus;
import org.kexecfs.posix.Namespace;
import org.kexecfs.posix.Pidfd;
import org.kexecfs.posix.ProcessStatus;

/**
 * {@code kexecfs.fd}: the open files of processes, as files that link(2) can take.
 *
 * <p>A hard link stays within a mount, and the VFS hands a filesystem no open file: so the source lies in the mount, and
 * its name says which open file of which process is meant. {@code self} is a symbolic link to the caller's own
 * number, as in /proc, so that a tree walk does not wander into processes.
 */
final class LinkSources {
    private LinkSources() {}

    /**
     * What stat(2) shows of a link source.
     *
     * @param size bytes of the open file
     * @param uid the process's owner
     * @param gid the process's group
     */
    record Source(long size, int uid, int gid) {}

    /** What {@code kexecfs.fd/self} leads to: the caller's number in its own PID namespace. */
    static String self(Caller caller) {
        return Integer.toString(caller.process().namespacePids().getLast());
    }

    /**
     * A duplicate of an open file.
     *
     * @param caller who wants it
     * @param pid a process, as the caller's PID namespace numbers it
     * @param number of the descriptor in that process
     * @return to be given back to {@link ForeignFiles}
     * @throws ErrnoException ENOENT if there is no such process or descriptor; EPERM if the caller may not reach it; EMFILE if
     *     its files from before cannot be closed
     */
    static Fd open(Caller caller, int pid, int number) {
        try (Pidfd process = reach(caller, pid)) {
            Fd file = process.getFd(number);
            try {
                // It may have become another, by execve(2) of a set-uid program, between the check and now.
                PtraceRule.check(caller.process(), process);
                return file;
            } catch (RuntimeException e) {
                ForeignFiles.close(file, caller.uid());
                throw e;
            }
        }
    }

    /** What stat(2) shows of a link source; errors as for {@link #open}. */
    static Source stat(Caller caller, int pid, int number) {
        try (Pidfd process = reach(caller, pid)) {
            ProcessStatus owner = ProcessStatus.read(process.pid());
            Fd file = process.getFd(number);
            try {
                FileStatus status = file.status();
                return new Source(
                        status.isRegular() ? status.size() : 0,
                        owner.uids().get(1),
                        owner.gids().get(1));
            } finally {
                ForeignFiles.close(file, caller.uid());
            }
        }
    }

    /** Returns if the process is there; whoever asks may see that, as in /proc. */
    static void checkExists(Caller caller, int pid) {
        Pidfd.open(Namespace.pidSeenBy(caller.process(), pid)).close();
    }

    /** The descriptors of a process; errors as for {@link #open}. */
    static List<String> list(Caller caller, int pid) {
        try (Pidfd process = reach(caller, pid);
                DirectoryStream<Path> files = Files.newDirectoryStream(Path.of("/proc/" + process.pid() + "/fd"))) {
            List<String> numbers = new ArrayList<>();
            files.forEach(file -> numbers.add(file.getFileName().toString()));
            return numbers;
        } catch (IOException e) {
            throw new ErrnoException(Errno.ENOENT, "process " + pid + " has ended");
        }
    }

    private static Pidfd reach(Caller caller, int pid) {
        ForeignFiles.requireRoom(caller.uid());
        ProcessStatus asking = caller.process();
        Pidfd process = Pidfd.open(Namespace.pidSeenBy(asking, pid));
        try {
            PtraceRule.check(asking, process);
            return process;
        } catch (RuntimeException e) {
            process.close();
            throw e;
        }
    }
}
