package org.kexecfs.daemon;

import java.io.File;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
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
     * Starts it, {@code $1} with the log {@code $2}, and the keeper that follows, neither of which waits for the other's JVM: it reads its
     * keeper's output. What the client has open is closed: it outlives that, its terminal and its working directory. The shell would
     * wait for both, and ends instead; to have it start them with {@code &} would be to have them ignore SIGINT.
     */
    private static final String SCRIPT = "program=$1 log=$2; shift 2; \"$@\" 2>&1 </dev/null |"
            + " { kill -KILL $$; exec setsid \"$program\" --unattended --ready-fd 3 3>&1 >/dev/null 2>>\"$log\"; }";

    /**
     * Runs that, and ends once the daemon serves, or has ended. So we have no child any more: a JVM that has one takes 300 ms to exit, for the
     * sake of the thread that waits for the child. What this shell itself would say is that the other was killed.
     */
    private static final String READY = "exec 4>&2 2>/dev/null; said=$(\"$@\" 2>&4 4>&-)";

    /** Says nothing, where there is a keeper. */
    private static final List<String> NO_KEEPER = List.of("true");

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
            throw ErrnoException.of(e, address.startLock() + " cannot be opened; kexecfsd serves root only");
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
            Process started = new ProcessBuilder(command())
                    .directory(new File("/"))
                    .redirectInput(new File("/dev/null"))
                    .redirectError(ProcessBuilder.Redirect.INHERIT)
                    .start();
            started.getInputStream().readAllBytes();
            // If it did not start, then perhaps because the keeper has just started one.
            return Client.connect(address)
                    .orElseThrow(() -> new ErrnoException(Errno.EIO, "kexecfsd does not start: " + said()));
        } catch (IOException e) {
            throw new ErrnoException(Errno.EIO, "kexecfsd does not start: " + e.getMessage());
        }
    }

    private List<String> command() {
        List<String> command = new ArrayList<>(List.of("sh", "-c", READY, "sh"));
        command.addAll(List.of(
                "sh", "-c", SCRIPT, "sh", program.toString(), address.log().toString()));
        command.addAll(Keep.keeper(address.directory()).orElse(NO_KEEPER));
        return command;
    }

    private String said() {
        try {
            return Files.readString(address.log()).strip();
        } catch (IOException e) {
            return address.log() + " cannot be read";
        }
    }
}
