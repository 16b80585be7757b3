package org.kexecfs.mount;

import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.UUID;
import org.kexecfs.luo.DeviceLiveUpdate;
import org.kexecfs.luo.SessionName;
import org.kexecfs.posix.Fd;

/**
 * What a mount was asked for with, so that it can be asked for again after a crash. In a file it is the kernel that runs, and
 * these fields, in UTF-8 with a NUL after each. After a kexec it holds no longer: what is mounted then is said by others, as
 * after any boot.
 *
 * @param session the session's name
 * @param directory the mount point, absolute
 * @param base what relative paths in the options are relative to, absolute
 * @param options as after {@code -o}
 */
public record MountRecord(String session, Path directory, Path base, String options) {
    private static final int FIELDS = 5;

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

    /** The same, on another directory. */
    public MountRecord at(Path other) {
        return new MountRecord(session, other, base, options);
    }

    /** A new file that says it. */
    public Fd write() {
        Fd file = Fd.memfd("kexecfs-mount");
        String fields = String.join("\0", kernel(), session, directory.toString(), base.toString(), options) + "\0";
        file.pwrite(Fd.utf8(fields), 0);
        return file;
    }

    private static String kernel() {
        return new DeviceLiveUpdate().kernel();
    }

    /** What a file says; empty if it is none of these, or from another kernel's time. */
    public static Optional<MountRecord> read(Fd file) {
        byte[] bytes = new byte[(int) file.status().size()];
        String[] fields = new String(bytes, 0, file.pread(bytes, 0), StandardCharsets.UTF_8).split("\0", -1);
        // Behind the last NUL there is nothing.
        if (fields.length != FIELDS + 1 || !fields[0].equals(kernel())) {
            return Optional.empty();
        }
        try {
            return Optional.of(new MountRecord(fields[1], Path.of(fields[2]), Path.of(fields[3]), fields[4]));
        } catch (InvalidPathException e) {
            return Optional.empty();
        }
    }
}
