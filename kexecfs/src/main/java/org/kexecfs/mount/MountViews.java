package org.kexecfs.mount;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;

/**
 * Where one filesystem is mounted, as each process sees it (proc_pid_mountinfo(5)): the whole of it, or a directory or file
 * of it, bind-mounted.
 */
public final class MountViews {
    private static final Path PROC = Path.of("/proc");

    private final long device;
    private final boolean writableUnseen;

    /**
     * @param device the filesystem's number, as in {@link org.kexecfs.posix.FileId}
     * @param writableUnseen as for {@link FuseMount#views}
     */
    MountViews(long device, boolean writableUnseen) {
        this.device = device;
        this.writableUnseen = writableUnseen;
    }

    /** Our own mount namespace's list of mounts: POLLPRI when it changes. */
    public static Fd openOwn() {
        return Fd.open("/proc/self/mountinfo", Fd.O_RDONLY, 0);
    }

    /**
     * Numbers of all filesystems that are mounted where we can see them from where we are, in part or as a whole.
     *
     * @throws ErrnoException EMFILE if no file can be opened to look
     */
    public static Set<Long> devicesHere() {
        return devices("self").collect(Collectors.toSet());
    }

    /**
     * Numbers of all filesystems that are mounted where we can see them, each with whether one of its mounts is not read-only.
     *
     * @throws ErrnoException as {@link #devicesHere}
     */
    public static Map<Long, Boolean> writableHere() {
        return lines("self")
                .collect(Collectors.toMap(
                        MountViews::device, line -> isWritable(line.split(" ", 7)), Boolean::logicalOr));
    }

    /**
     * Numbers of all filesystems that are mounted in the mount namespace of any process. A namespace that no process is in
     * does not count. Nothing is kept open: that would keep a namespace.
     *
     * @throws ErrnoException EMFILE if no file can be opened to look
     */
    public static Set<Long> devicesAnywhere() {
        return processes(views -> views.flatMap(MountViews::devices).collect(Collectors.toSet()));
    }

    /**
     * The places where filesystems are mounted, in the mount namespace of any process, as {@link #devicesAnywhere}.
     *
     * @param which their numbers
     */
    static List<SeenMount> mountsAnywhere(Set<Long> which) {
        return processes(views -> views.flatMap(process -> lines(process)
                        .filter(line -> which.contains(device(line)))
                        .flatMap(line -> SeenMount.parse(process, line).stream()))
                .toList());
    }

    /** With a process of each view of a mount namespace. */
    private static <T> T processes(Function<Stream<String>, T> what) {
        Set<List<String>> seen = new HashSet<>();
        try (Stream<Path> processes = Files.list(PROC)) {
            return what.apply(processes
                    .map(process -> process.getFileName().toString())
                    .filter(name -> Character.isDigit(name.charAt(0)))
                    // A process that changed its root sees another part of the same namespace.
                    .filter(pid -> seen.add(List.of(link(pid, "ns/mnt"), link(pid, "root")))));
        } catch (IOException e) {
            throw new ErrnoException(Errno.EMFILE, PROC + " cannot be read: " + e.getMessage());
        }
    }

    private static String link(String pid, String name) {
        try {
            return Files.readSymbolicLink(PROC.resolve(pid).resolve(name)).toString();
        } catch (IOException e) {
            // It has ended, or is a kernel's own, or closed to us: those are one kind.
            return "";
        }
    }

    /** The filesystem's number, as in {@link org.kexecfs.posix.FileId}. */
    public long device() {
        return device;
    }

    /**
     * Returns if a process sees a mount of it that is not read-only: what was made read-only for a container is not to be
     * changed from there through an open file or socket that cannot tell by which mount it was reached. Who sees none can
     * only have a private mount.
     *
     * @param pid of a process or thread, in our PID namespace; 0 for one that it cannot see
     * @throws ErrnoException EROFS if it does not
     */
    public void requireWritableFor(int pid) {
        List<String[]> seen =
                pid == 0 ? List.of() : mounts(Integer.toString(pid)).toList();
        boolean writable = seen.isEmpty() ? writableUnseen : seen.stream().anyMatch(MountViews::isWritable);
        if (!writable) {
            throw new ErrnoException(
                    Errno.EROFS, "the caller sees no mount of this session, or only such that are read-only");
        }
    }

    private static boolean isWritable(String[] mount) {
        return Arrays.asList(mount[5].split(",")).contains("rw");
    }

    /** ID PARENT MAJOR:MINOR ROOT MOUNT-POINT OPTIONS ... of each. */
    private Stream<String[]> mounts(String process) {
        return lines(process)
                .filter(line -> device(line) == device)
                .map(line -> line.split(" "))
                .filter(fields -> fields.length > 5);
    }

    private static Stream<Long> devices(String process) {
        return lines(process).map(MountViews::device);
    }

    private static Stream<String> lines(String process) {
        try {
            byte[] all = Files.readAllBytes(PROC.resolve(process).resolve("mountinfo"));
            return new String(all, StandardCharsets.ISO_8859_1).lines();
        } catch (IOException e) {
            if (process.equals("self") || isForWantOfFiles(e)) {
                throw new ErrnoException(Errno.EMFILE, "mountinfo of process " + process + ": " + e.getMessage());
            }
            // It has ended.
            return Stream.empty();
        }
    }

    /** EMFILE, ENFILE: what cannot be looked at now may well have mounts. Java has no other word for it. */
    private static boolean isForWantOfFiles(IOException e) {
        return e instanceof FileSystemException f
                && f.getReason() != null
                && f.getReason().startsWith("Too many open files");
    }

    /** The third field, MAJOR:MINOR; found without taking the line apart, for there may be thousands. */
    static long device(String line) {
        int start = line.indexOf(' ', line.indexOf(' ') + 1) + 1;
        int colon = line.indexOf(':', start);
        int end = line.indexOf(' ', colon);
        return Long.parseLong(line, start, colon, 10) << 32 | Long.parseLong(line, colon + 1, end, 10);
    }
}
