package org.kexecfs.fuse;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Supplier;
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
            return take(caller, process, number);
        }
    }

    /** What stat(2) shows of a link source; errors as for {@link #open}. */
    static Source stat(Caller caller, int pid, int number) {
        try (Pidfd process = reach(caller, pid)) {
            ProcessStatus owner = ProcessStatus.read(process.pid());
            Fd file = take(caller, process, number);
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

    /**
     * A descriptor of a process that was in reach a moment ago. The caller's own process cannot become another meanwhile: one
     * of its threads waits for us, and execve(2) waits for that (fs/exec.c, de_thread).
     */
    private static Fd take(Caller caller, Pidfd process, int number) {
        ProcessStatus asking = caller.process();
        return PtraceRule.isOwn(asking, process)
                ? process.getFd(number)
                : take(
                        () -> process.getFd(number),
                        () -> PtraceRule.check(asking, process),
                        file -> ForeignFiles.close(file, caller.uid()));
    }

    /**
     * An open file of a process that is in reach while it has it.
     *
     * <p>A process may execute a set-uid program, and that another again, between any two looks at it: in reach, out of reach
     * and in reach again. So the rule is asked between two takings, and they must have found the same open file: the
     * process had it before and after it was in reach. A program that is out of reach, and opens files, opens others each
     * time.
     *
     * @param get takes the file
     * @param rule throws if the process is not in reach
     * @param close gives a file back
     */
    static Fd take(Supplier<Fd> get, Runnable rule, Consumer<Fd> close) {
        Fd file = get.get();
        try {
            rule.run();
            Fd again = get.get();
            try {
                if (!file.isSameOpenFile(again)) {
                    throw new ErrnoException(Errno.ENOENT, "the descriptor has become another's");
                }
            } finally {
                close.accept(again);
            }
            rule.run();
            return file;
        } catch (RuntimeException e) {
            close.accept(file);
            throw e;
        }
    }

    /** Returns if the process is there; whoever asks may see that, as in /proc. */
    static void checkExists(Caller caller, int pid) {
        pin(caller.process(), pid).close();
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
        Pidfd process = pin(asking, pid);
        try {
            PtraceRule.check(asking, process);
            return process;
        } catch (RuntimeException e) {
            process.close();
            throw e;
        }
    }

    /** The process of that number, and no other that has its number meanwhile. */
    private static Pidfd pin(ProcessStatus asking, int pid) {
        Pidfd process = Pidfd.open(Namespace.pidSeenBy(asking, pid));
        try {
            if (Namespace.isSeenAs(process.pid(), asking, pid) && process.isAlive()) {
                return process;
            }
        } catch (RuntimeException e) {
            process.close();
            throw e;
        }
        process.close();
        throw new ErrnoException(Errno.ENOENT, "no process " + pid);
    }
}
