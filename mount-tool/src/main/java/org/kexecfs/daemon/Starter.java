package org.kexecfs.daemon;

import java.io.File;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Optional;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.mount.RuntimeDirectory;
import org.kexecfs.posix.ErrnoException;

/**
 * Starts the daemon for a client that finds none. Of clients that do so at once, one starts it; the others wait for that one
 * (a lock) and find it.
 *
 * @param address where
 * @param program kexecfsd
 */
public record Starter(Address address, Path program) {
    /** Closes what the client has open: the daemon outlives it, its terminal and its working directory. */
    private static final String SCRIPT = "exec setsid \"$1\" --ready-fd 3 3>&1 >/dev/null 2>>\"$2\" </dev/null";

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
        try {
            Files.deleteIfExists(address.log());
            Process daemon = new ProcessBuilder(
                            "sh",
                            "-c",
                            SCRIPT,
                            "sh",
                            program.toString(),
                            address.log().toString())
                    .directory(new File("/"))
                    .redirectError(ProcessBuilder.Redirect.INHERIT)
                    .start();
            String answer = new String(daemon.getInputStream().readAllBytes(), StandardCharsets.US_ASCII);
            return Optional.of(answer)
                    .filter(text -> text.equals("0\n"))
                    .flatMap(text -> Client.connect(address))
                    .orElseThrow(() -> new ErrnoException(Errno.EIO, "kexecfsd does not start: " + said()));
        } catch (IOException e) {
            throw new ErrnoException(Errno.EIO, "kexecfsd does not start: " + e.getMessage());
        }
    }

    private String said() {
        try {
            return Files.readString(address.log()).strip();
        } catch (IOException e) {
            return address.log() + " cannot be read";
        }
    }
}
