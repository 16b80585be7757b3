package org.kexecfs.posix;

import static org.kexecfs.posix.Libc.C;
import static org.kexecfs.posix.Syscall.check;

import java.nio.charset.StandardCharsets;
import jnr.ffi.Pointer;

/**
 * A filesystem in the making (fsopen(2), fsconfig(2)); {@link #mount} makes it a detached mount.
 *
 * <p>The kernel explains a refused option in words, in a log that is read from the context: those words are
 * in the exceptions.
 */
public final class FsContext implements AutoCloseable {
    public static final int MOUNT_ATTR_RDONLY = 0x01;
    public static final int MOUNT_ATTR_NOSUID = 0x02;
    public static final int MOUNT_ATTR_NODEV = 0x04;
    public static final int MOUNT_ATTR_NOEXEC = 0x08;

    private static final int FSOPEN_CLOEXEC = 1;
    private static final int FSMOUNT_CLOEXEC = 1;
    private static final int FSCONFIG_SET_FLAG = 0;
    private static final int FSCONFIG_SET_STRING = 1;
    private static final int FSCONFIG_CMD_CREATE = 6;
    private static final int LOG_LINE = 1024;

    private final Fd fd;
    private final String type;

    private FsContext(Fd fd, String type) {
        this.fd = fd;
        this.type = type;
    }

    /**
     * fsopen(2).
     *
     * @param type the filesystem's name: ENODEV if the kernel has none of that name, EPERM without
     *     CAP_SYS_ADMIN
     */
    public static FsContext open(String type) {
        return new FsContext(Fd.own(check(() -> C.fsopen(type, FSOPEN_CLOEXEC), () -> "fsopen(" + type + ")")), type);
    }

    /** Sets an option that has a value. */
    public FsContext set(String key, String value) {
        configure(FSCONFIG_SET_STRING, key, value);
        return this;
    }

    /** Sets an option that has none. */
    public FsContext set(String key) {
        configure(FSCONFIG_SET_FLAG, key, null);
        return this;
    }

    /**
     * Creates the filesystem and mounts it nowhere (FSCONFIG_CMD_CREATE, fsmount(2)).
     *
     * @param attributes MOUNT_ATTR_* bits
     * @return the mount's root: while it is open, and for as long as it is attached, the mount lives
     */
    public Fd mount(int attributes) {
        configure(FSCONFIG_CMD_CREATE, null, null);
        return Fd.own(check(() -> C.fsmount(fd.number(), FSMOUNT_CLOEXEC, attributes), () -> "fsmount(" + type + ")"));
    }

    private void configure(int command, String key, String value) {
        try {
            check(
                    () -> C.fsconfig(fd.number(), command, key, value, 0),
                    () -> "fsconfig(" + type + (key == null ? "" : ", " + key + (value == null ? "" : "=" + value))
                            + ")");
        } catch (ErrnoException e) {
            String said = log();
            throw said.isEmpty() ? e : new ErrnoException(e, said);
        }
    }

    private String log() {
        StringBuilder said = new StringBuilder();
        Pointer line = Fd.allocate(LOG_LINE);
        try {
            while (true) {
                byte[] text = new byte[(int) fd.read(line, LOG_LINE)];
                line.get(0, text, 0, text.length);
                said.append(new String(text, StandardCharsets.UTF_8).strip()).append(' ');
            }
        } catch (ErrnoException end) {
            // ENODATA: all lines were read.
            return said.toString().strip();
        }
    }

    @Override
    public void close() {
        fd.close();
    }
}
