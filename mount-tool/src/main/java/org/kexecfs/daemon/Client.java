package org.kexecfs.daemon;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.ConnectException;
import java.net.SocketException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.Optional;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;

/**
 * A connection to the daemon, which may ask one thing.
 *
 * <p>Nothing native is loaded for it: a command that only asks is done before that would be.
 */
public final class Client implements AutoCloseable {
    private final SocketChannel channel;
    private final BufferedReader answers;

    private Client(SocketChannel channel) {
        this.channel = channel;
        this.answers =
                new BufferedReader(new InputStreamReader(Channels.newInputStream(channel), StandardCharsets.UTF_8));
    }

    /**
     * Connects to the daemon, if it runs.
     *
     * @throws ErrnoException EACCES if it is not ours to ask
     */
    public static Optional<Client> connect(Address address) {
        if (!Files.exists(address.socket())) {
            return Optional.empty();
        }
        try {
            return Optional.of(new Client(SocketChannel.open(UnixDomainSocketAddress.of(address.socket()))));
        } catch (ConnectException e) {
            return Optional.empty();
        } catch (SocketException e) {
            // It may have ended between the look and the call.
            if (!Files.exists(address.socket())) {
                return Optional.empty();
            }
            throw new ErrnoException(Errno.EACCES, address.socket() + ": " + e.getMessage());
        } catch (IOException e) {
            throw new ErrnoException(Errno.EIO, address.socket() + ": " + e.getMessage());
        }
    }

    /**
     * Asks, and waits for the first answer.
     *
     * @return empty if the daemon has ended without one
     */
    public Optional<Answer> ask(Request request) {
        try {
            ByteBuffer bytes = ByteBuffer.wrap(request.encoded());
            while (bytes.hasRemaining()) {
                channel.write(bytes);
            }
            channel.shutdownOutput();
        } catch (IOException e) {
            return Optional.empty();
        }
        return next();
    }

    /**
     * Waits for the next answer.
     *
     * @return empty if the daemon has ended without one
     */
    public Optional<Answer> next() {
        try {
            return Optional.ofNullable(answers.readLine()).map(Answer::parse);
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    @Override
    public void close() {
        try {
            channel.close();
        } catch (IOException e) {
            throw new ErrnoException(Errno.EIO, "kexecfsd's socket: " + e.getMessage());
        }
    }
}
