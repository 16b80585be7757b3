package org.kexecfs.daemon;

import java.io.File;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Optional;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.keep.Keep;
import org.kexecfs.log.LogFile;
import org.kexecfs.mount.RuntimeDirectory;
import org.kexecfs.posix.ErrnoException;

/**
 * Starts the daemon for a client that finds none. Of clients that do so at once, one starts it; the others wait for that one
 * (a lock) and find it. Where systemd runs and has its unit, systemd starts it: it would otherwise belong to the service, or
 * the login, that its first client is of, and end with that.
 *
 * @param address where
 * @param program kexecfsd
 */
public record Starter(Address address, Path program) {
    private static final String UNIT = "kexecfsd.service";

    private static final List<String> UNIT_DIRECTORIES = List.of(
            "/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system");

    /**
     * Closes what the client has open: the daemon outlives it, its terminal and its working directory. It reads its keeper's
     * output.
     */
    private static final String SCRIPT = "exec setsid \"$1\" --unattended --ready-fd 3 3>&1 >/dev/null 2>>\"$2\"";

    /** The log may be where nothing can be written. */
    private static final String AGAIN =
            "{ true >>\"$2\"; } 2>/dev/null && exec 2>>\"$2\"; exec setsid \"$1\" --unattended </dev/null >/dev/null";

    /** The command that starts it where nobody waits for it. */
    public List<String> again() {
        return List.of(
                "sh", "-c", AGAIN, "sh", program.toString(), address.log().toString());
    }

    /**
     * A connection to the daemon, which is started if it is not there.
     *
     * @throws ErrnoException EACCES, ENOSPC, EROFS for the runtime directory; EIO, with what it said, if it cannot start
     */
    public Client connect() {
        return Client.connect(address).orElseGet(this::start);
    }

    private Client start() {
        RuntimeDirectory.make(address.directory());
        try (FileChannel lock =
                FileChannel.open(address.startLock(), StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            lock.lock();
            return Client.connect(address).orElseGet(this::startLocked);
        } catch (IOException e) {
            throw new ErrnoException(Errno.EACCES, address.startLock() + ": " + e.getMessage());
        }
    }

    private Client startLocked() {
        return isUnit() ? startUnit() : startProgram();
    }

    private boolean isUnit() {
        return address.isSystems()
                && Files.isDirectory(Path.of("/run/systemd/system"))
                && UNIT_DIRECTORIES.stream().anyMatch(directory -> Files.exists(Path.of(directory, UNIT)));
    }

    private Client startUnit() {
        try {
            Process systemctl = new ProcessBuilder("systemctl", "start", UNIT)
                    .redirectErrorStream(true)
                    .start();
            String said = new String(systemctl.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            return Client.connect(address)
                    .orElseThrow(() ->
                            new ErrnoException(Errno.EIO, "systemd does not start " + UNIT + ": " + said.strip()));
        } catch (IOException e) {
            throw new ErrnoException(Errno.EIO, "systemd does not start " + UNIT + ": " + e.getMessage());
        }
    }

    private Client startProgram() {
        try {
            LogFile.setAside(address.log());
            ProcessBuilder daemon = new ProcessBuilder(
                            "sh",
                            "-c",
                            SCRIPT,
                            "sh",
                            program.toString(),
                            address.log().toString())
                    .directory(new File("/"))
                    .redirectError(ProcessBuilder.Redirect.INHERIT);
            started(daemon).getInputStream().readAllBytes();
            // If it did not start, then perhaps because the keeper has just started one.
            return Client.connect(address)
                    .orElseThrow(() -> new ErrnoException(Errno.EIO, "kexecfsd does not start: " + said()));
        } catch (IOException e) {
            throw new ErrnoException(Errno.EIO, "kexecfsd does not start: " + e.getMessage());
        }
    }

    /** With its keeper, if there is none yet: neither waits for the other's JVM. */
    private Process started(ProcessBuilder daemon) throws IOException {
        Optional<ProcessBuilder> keeper = Keep.keeper(address.directory());
        return keeper.isPresent()
                ? ProcessBuilder.startPipeline(List.of(keeper.get().directory(new File("/")), daemon))
                        .getLast()
                : daemon.redirectInput(new File("/dev/null")).start();
    }

    private String said() {
        try {
            return Files.readString(address.log()).strip();
        } catch (IOException e) {
            return address.log() + " cannot be read";
        }
    }
}
