package org.kexecfs.mount;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The kexecfs mounts that this process sees, as proc_pid_mountinfo(5) tells them. Nothing here asks a mount
 * itself, so a dead one (ENOTCONN) is found as well as a live one.
 */
public final class MountTable {
    private static final Path MOUNTINFO = Path.of("/proc/self/mountinfo");
    private static final String TYPE = "fuse.kexecfs";

    private MountTable() {}

    /**
     * One place where a session is mounted. A bind mount of the whole session is one more, with the same
     * {@code device}; a bind mount of one file of it is none.
     *
     * @param session the session's name
     * @param directory the mount point
     * @param mountId the mount's number, unique while it lasts
     * @param device the filesystem's number, major in the upper 32 bits, minor in the lower, as in FileId
     */
    public record MountedSession(String session, Path directory, int mountId, long device) {}

    /** All kexecfs mounts, in the order they were mounted: of two on one directory the later hides the earlier. */
    public static List<MountedSession> read() {
        try {
            return parse(Files.readAllBytes(MOUNTINFO));
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + MOUNTINFO, e);
        }
    }

    /**
     * The filesystems of sessions of a name, each where it was mounted first, that is: not as a bind mount. There may be
     * several: one of the device, one of each emulation, and those whose server died.
     */
    public static List<MountedSession> ofSession(String session) {
        Map<Long, MountedSession> first = new LinkedHashMap<>();
        read().stream().filter(m -> m.session().equals(session)).forEach(m -> first.putIfAbsent(m.device(), m));
        return List.copyOf(first.values());
    }

    /**
     * The mount whose mount point is {@code directory}; a bind mount counts.
     *
     * @param directory any path of the mount point, also a relative one or one with symbolic links
     */
    public static Optional<MountedSession> at(Path directory) {
        Path real = real(directory.toAbsolutePath());
        return read().stream().filter(m -> m.directory().equals(real)).reduce((hidden, seen) -> seen);
    }

    /** The real path; where the last name cannot be asked, being a dead mount, that of its parent and that name. */
    private static Path real(Path path) {
        try {
            return path.toRealPath();
        } catch (IOException e) {
            Path parent = path.normalize().getParent();
            try {
                return parent == null
                        ? path
                        : parent.toRealPath().resolve(path.normalize().getFileName());
            } catch (IOException again) {
                return path.normalize();
            }
        }
    }

    static List<MountedSession> parse(byte[] mountinfo) {
        List<MountedSession> mounts = new ArrayList<>();
        // ISO 8859-1 keeps every byte: the fields are ASCII, and names become text only once unescaped.
        for (String line : new String(mountinfo, StandardCharsets.ISO_8859_1).split("\n")) {
            mountOf(line).ifPresent(mounts::add);
        }
        return List.copyOf(mounts);
    }

    private static Optional<MountedSession> mountOf(String line) {
        // ID PARENT MAJOR:MINOR ROOT MOUNT-POINT OPTIONS [TAG...] - TYPE SOURCE SUPER-OPTIONS
        int end = line.indexOf(" - ");
        if (end < 0) {
            return Optional.empty();
        }
        String[] mount = line.substring(0, end).split(" ");
        String[] filesystem = line.substring(end + 3).split(" ");
        if (mount.length < 6 || filesystem.length < 2 || !filesystem[0].equals(TYPE) || !mount[3].equals("/")) {
            return Optional.empty();
        }
        String[] device = mount[2].split(":");
        try {
            return Optional.of(new MountedSession(
                    unescape(filesystem[1]),
                    Path.of(unescape(mount[4])),
                    Integer.parseInt(mount[0]),
                    Long.parseLong(device[0]) << 32 | Long.parseLong(device[1])));
        } catch (InvalidPathException e) {
            // A mount point whose bytes are no text in this locale: no path given to us can mean it.
            return Optional.empty();
        }
    }

    /** Undoes the kernel's escapes, a backslash and three octal digits for a byte, and reads the bytes as UTF-8. */
    static String unescape(String field) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream(field.length());
        for (int i = 0; i < field.length(); i++) {
            if (field.charAt(i) == '\\' && isOctal(field, i + 1)) {
                bytes.write(Integer.parseInt(field.substring(i + 1, i + 4), 8));
                i += 3;
            } else {
                bytes.write(field.charAt(i));
            }
        }
        return bytes.toString(StandardCharsets.UTF_8);
    }

    private static boolean isOctal(String field, int from) {
        return from + 3 <= field.length()
                && field.substring(from, from + 3).chars().allMatch(c -> c >= '0' && c <= '7');
    }
}
