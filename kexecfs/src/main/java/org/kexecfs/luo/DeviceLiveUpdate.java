package org.kexecfs.luo;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.function.Supplier;
import jnr.constants.platform.linux.Errno;
import jnr.ffi.Pointer;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;

/**
 * The kernel's LUO: {@code /dev/liveupdate}, Linux 6.19 and later.
 *
 * <p>The device is exclusive (kernel/liveupdate/luo_core.c, luo_open), so it is open only for the moment of a create or
 * a retrieve; sessions live on without it. Our threads take turns ({@link Turn}), and while somebody else has it open we
 * try again for a while. The first open after a kexec makes the kernel read what it was handed.
 */
public final class DeviceLiveUpdate implements LiveUpdate {
    /** Where udev puts it. */
    public static final String PATH = "/dev/liveupdate";

    /** What /proc/self/fd shows of a session, before its name. */
    static final String SHOWN = "anon_inode:[luo_session] ";

    private static final Path BOOT_ID = Path.of("/proc/sys/kernel/random/boot_id");

    private static final Duration PATIENCE = Duration.ofSeconds(5);

    /** The one that runs, once it was looked at: it does not change while we run, and each step of a session asks for it. */
    private static volatile String kernel;

    private final String path;
    private final Duration patience;

    /** The LUO at {@link #PATH}. */
    public DeviceLiveUpdate() {
        this(PATH);
    }

    /** The LUO at {@code path}, which is not opened yet. */
    public DeviceLiveUpdate(String path) {
        this(path, PATIENCE);
    }

    /**
     * @param patience how long somebody else may have it open; zero: not at all, for whoever is told by another when to try
     */
    DeviceLiveUpdate(String path, Duration patience) {
        this.path = path;
        this.patience = patience;
    }

    @Override
    public LiveUpdateSession createSession(String name) {
        return session(Request.CREATE_SESSION, new SessionName(name));
    }

    @Override
    public LiveUpdateSession retrieveSession(String name) {
        return session(Request.RETRIEVE_SESSION, new SessionName(name));
    }

    private LiveUpdateSession session(Request request, SessionName name) {
        return inTurn(() -> {
            try (Fd device = open()) {
                Pointer argument = request.argument();
                Request.putName(argument, name);
                request.on(device, argument);
                return new DeviceSession(name, Fd.own(argument.getInt(Request.FD_AT)));
            } catch (ErrnoException e) {
                throw new ErrnoException(e, "session '" + name + "' on " + path);
            }
        });
    }

    @Override
    public <T> T inTurn(Supplier<T> opens) {
        return Turn.at(path).take(patience, opens);
    }

    private Fd open() {
        try {
            return Fd.open(path, Fd.O_RDWR, 0);
        } catch (ErrnoException e) {
            throw explained(e);
        }
    }

    private ErrnoException explained(ErrnoException e) {
        return switch (e.errno()) {
            case ENOENT, ENXIO, ENODEV ->
                new ErrnoException(
                        e,
                        "there is no LUO device: it takes Linux 6.19 with CONFIG_LIVEUPDATE, booted with liveupdate=on;"
                                + " if the kernel before this one handed anything over, it is gone");
            case EIO ->
                new ErrnoException(
                        e,
                        "LUO could not understand what the kernel before handed over, and nothing of it can be had;"
                                + " the next reboot makes LUO usable again (the kernel's log, `dmesg`, says more)");
            case EACCES, EPERM -> new ErrnoException(e, "no right to the LUO device: it is root's");
            default -> e;
        };
    }

    @Override
    public LiveUpdateSession adopt(Fd fd) {
        try {
            return new DeviceSession(sessionName(fd), fd);
        } catch (RuntimeException e) {
            fd.close();
            throw e;
        }
    }

    /** As /proc shows it: the ioctl for it came later, and would be another's on another's descriptor. */
    private static SessionName sessionName(Fd fd) {
        String shown = fd.path().toString();
        if (!shown.startsWith(SHOWN)) {
            throw new ErrnoException(Errno.EINVAL, fd + " is no session of LUO, but " + shown);
        }
        return new SessionName(shown.substring(SHOWN.length()));
    }

    @Override
    public String kernel() {
        if (kernel == null) {
            kernel = readKernel();
        }
        return kernel;
    }

    private static String readKernel() {
        try {
            return Files.readString(BOOT_ID).strip();
        } catch (IOException e) {
            throw new ErrnoException(Errno.EIO, BOOT_ID + " cannot be read: " + e.getMessage());
        }
    }

    @Override
    public boolean emulated() {
        return false;
    }

    @Override
    public String toString() {
        return path;
    }
}
