package org.kexecfs.posix;

import static org.kexecfs.posix.Libc.C;
import static org.kexecfs.posix.Syscall.check;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import jnr.ffi.Pointer;

/**
 * Becoming another program (execve(2)): it has our process id, parent, directory and standard streams, so signals and
 * exit codes are its own, and nothing of us waits for it. It finds what it would find if whoever started us had started
 * it. What a JVM has done to its process until then, and what becomes of it:
 *
 * <ul>
 *   <li>threads: the kernel ends them;
 *   <li>signals that are handled: the kernel gives them their default action again. That is wrong only for a SIGPIPE or
 *       SIGQUIT that was ignored when we were started, which a JVM no longer knows;
 *   <li>signals that are blocked: SIGQUIT is in Java's threads. The process's first thread, which does no more than wait
 *       for Java's, still has the mask that we were started with, and the program gets that;
 *   <li>open files: a JVM opens its jars without O_CLOEXEC. They get it here;
 *   <li>limits and the environment: whoever starts the JVM lets it raise none, and undoes its own changes.
 * </ul>
 *
 * <p>Arguments and environment are bytes, as the kernel has them: {@link #ownArguments}, {@link #ownEnvironment}.
 */
public final class Exec {
    private static final int F_SETFD = 2;
    private static final int FD_CLOEXEC = 1;
    private static final int F_DUPFD_CLOEXEC = 1030;
    private static final int SIG_SETMASK = 2;
    private static final int SIZE_OF_SIGSET = 128;
    private static final Path DESCRIPTORS = Path.of("/proc/self/fd");

    private Exec() {}

    /** The arguments that this process was started with, the JVM's first; each byte a char (ISO 8859-1). */
    public static List<String> ownArguments() {
        return strings(Path.of("/proc/self/cmdline"));
    }

    /** The environment that this process was started with, {@code NAME=VALUE}; each byte a char (ISO 8859-1). */
    public static List<String> ownEnvironment() {
        return strings(Path.of("/proc/self/environ"));
    }

    private static List<String> strings(Path file) {
        try {
            String all = Files.readString(file, StandardCharsets.ISO_8859_1);
            // Each ends with a NUL, the last one too; empty ones count.
            return all.isEmpty()
                    ? List.of()
                    : List.of(all.substring(0, all.length() - 1).split("\0", -1));
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + file, e);
        }
    }

    /**
     * Becomes a program, and does not return if it can. Its descriptors are those that we were started with, and one more.
     *
     * @param arguments the program, looked for in PATH as execvpe(3) does, and its arguments; one or more
     * @param environment {@code NAME=VALUE}
     * @param file becomes the program's descriptor {@code number}; its own number is not the program's
     * @param number 0 or more; what is open under it now is the program's no more
     * @return why the program cannot be run, and nothing has changed: ENOENT there is none, EACCES it may not be executed,
     *     E2BIG, ENOEXEC and others of execve(2)
     * @throws ErrnoException it was not tried: EINVAL {@code number} is past the limit of open files, EMFILE
     */
    public static ErrnoException become(List<String> arguments, List<String> environment, Fd file, int number) {
        closeOwnOnExec();
        Pointer argumentVector = vector(arguments);
        Pointer environmentVector = vector(environment);
        Pointer program = argumentVector.getPointer(0);
        // Above the one that it becomes: dup3(2) of a descriptor to itself is an error.
        int source = check(
                () -> C.fcntl(file.number(), F_DUPFD_CLOEXEC, number + 1), () -> "dup of " + file + " for " + number);
        int saved = C.fcntl(number, F_DUPFD_CLOEXEC, number + 1);
        Pointer mask = initialMask();
        Pointer ours = Fd.allocate(SIZE_OF_SIGSET);

        // It may be a jar of ours that has this number. Until it is back nothing may be loaded, so all that is called
        // has been called before, in vain.
        C.dup3(-1, -1, 0);
        C.execvpe(vector(List.of("")).getPointer(0), argumentVector, environmentVector);
        C.sigprocmask(SIG_SETMASK, mask, ours);
        int errno;
        if (C.dup3(source, number, 0) < 0) {
            errno = Libc.RUNTIME.getLastError();
        } else {
            C.execvpe(program, argumentVector, environmentVector);
            errno = Libc.RUNTIME.getLastError();
            restore(saved, number);
        }
        C.sigprocmask(SIG_SETMASK, ours, null);
        C.close(source);
        return ErrnoException.of(errno, "execve(" + arguments.getFirst() + ")");
    }

    private static void restore(int saved, int number) {
        if (saved < 0) {
            C.close(number);
        } else {
            C.dup3(saved, number, 0);
            C.close(saved);
        }
    }

    /** The signals that were blocked when this process was started: a sigset_t. */
    static Pointer initialMask() {
        Pointer mask = Fd.allocate(SIZE_OF_SIGSET);
        mask.putLong(0, ProcessStatus.blockedSignals(C.getpid()));
        return mask;
    }

    /** The files of the JVM stay behind. */
    static void closeOwnOnExec() {
        ofJvm().forEach(number -> C.fcntl(number, F_SETFD, FD_CLOEXEC));
    }

    /** What the JVM has open to read classes from: its modules and jars. */
    static List<Integer> ofJvm() {
        Path runtime = Path.of(System.getProperty("java.home"));
        Path jars = Path.of(System.getProperty("java.class.path").split(":")[0]).toAbsolutePath();
        return descriptors().stream()
                .filter(number -> {
                    try {
                        Path target = Files.readSymbolicLink(DESCRIPTORS.resolve(Integer.toString(number)));
                        return target.startsWith(runtime)
                                || target.getParent() != null
                                        && target.getParent().equals(jars.getParent());
                    } catch (IOException e) {
                        // That of the listing itself.
                        return false;
                    }
                })
                .toList();
    }

    /** Those of this process; one that was open for this list only may be among them. */
    static List<Integer> descriptors() {
        List<Integer> numbers = new ArrayList<>();
        try (DirectoryStream<Path> all = Files.newDirectoryStream(DESCRIPTORS)) {
            all.forEach(path -> numbers.add(Integer.valueOf(path.getFileName().toString())));
        } catch (IOException e) {
            throw new UncheckedIOException("cannot list " + DESCRIPTORS, e);
        }
        return numbers;
    }

    /** A char *[] in one piece of memory: the pointers, the NULL that ends them, the strings. */
    static Pointer vector(List<String> strings) {
        int table = 8 * (strings.size() + 1);
        Pointer vector = Fd.allocate(
                table + strings.stream().mapToInt(s -> s.length() + 1).sum());
        long at = table;
        for (int i = 0; i < strings.size(); i++) {
            byte[] bytes = strings.get(i).getBytes(StandardCharsets.ISO_8859_1);
            vector.put(at, bytes, 0, bytes.length);
            vector.putLong(8L * i, vector.address() + at);
            at += bytes.length + 1;
        }
        return vector;
    }
}
