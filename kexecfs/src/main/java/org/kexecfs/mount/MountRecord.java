package org.kexecfs.mount;

import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.UUID;
import org.kexecfs.luo.SessionName;
import org.kexecfs.posix.Fd;

/**
 * What a mount was asked for with, so that it can be asked for again after a crash. In a file it is these fields in UTF-8, a
 * NUL after each.
 *
 * @param session the session's name
 * @param directory the mount point, absolute
 * @param base what relative paths in the options are relative to, absolute
 * @param options as after {@code -o}
 */
public record MountRecord(String session, Path directory, Path base, String options) {
    private static final int FIELDS = 4;

    /**
     * What the options mean.
     *
     * @throws org.kexecfs.posix.ErrnoException EINVAL
     */
    public MountOptions parsed() {
        return MountOptions.parse(options, base);
    }

    /**
     * What tells the session from all others of this host, in ASCII: its name, and which emulation it is on, if it is.
     *
     * @throws org.kexecfs.posix.ErrnoException EINVAL for what is no session's name
     */
    public String shelf() {
        String name = URLEncoder.encode(SessionName.whole(session).text(), StandardCharsets.UTF_8);
        return parsed().emulate()
                .map(emulation -> name + "@" + UUID.nameUUIDFromBytes(Fd.utf8(emulation.toString())))
                .orElse(name);
    }

    /** A new file that says it. */
    public Fd write() {
        Fd file = Fd.memfd("kexecfs-mount");
        file.pwrite(Fd.utf8(String.join("\0", session, directory.toString(), base.toString(), options) + "\0"), 0);
        return file;
    }

    /** What a file says; empty if it is none of these. */
    public static Optional<MountRecord> read(Fd file) {
        byte[] bytes = new byte[(int) file.status().size()];
        String[] fields = new String(bytes, 0, file.pread(bytes, 0), StandardCharsets.UTF_8).split("\0", -1);
        // Behind the last NUL there is nothing.
        if (fields.length != FIELDS + 1) {
            return Optional.empty();
        }
        try {
            return Optional.of(new MountRecord(fields[0], Path.of(fields[1]), Path.of(fields[2]), fields[3]));
        } catch (InvalidPathException e) {
            return Optional.empty();
        }
    }
}
