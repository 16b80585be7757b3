package org.kexecfs.tool;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Optional;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.mount.MountTable.MountedSession;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.Messages;
import org.kexecfs.posix.Messages.Message;
import org.kexecfs.posix.Sockets;

/**
 * A connection to a session's {@code kexecfs.sock}, by which files come in and go out as descriptors: a client of
 * kexecfs/doc/protocol.md, version 1. A refusal has the errno and the words of the answer. Used by one thread.
 */
final class SessionSocket implements AutoCloseable {
    private static final String NAME = "kexecfs.sock";
    private static final String OK = "1 ok";
    private static final String ERROR = "1 error ";
    private static final int LONGEST = 4096 + 64;

    private final Fd connection;
    private final Messages messages = new Messages(LONGEST);

    private SessionSocket(Fd connection) {
        this.connection = connection;
    }

    /**
     * Connects.
     *
     * @throws ErrnoException ENOTCONN, ECONNREFUSED if nobody serves the session; EACCES
     */
    static SessionSocket of(MountedSession mount) {
        // By its directory's descriptor: the path of a socket has 107 bytes at most.
        try (Fd directory = Fd.openDirectory(mount.directory().toString())) {
            return new SessionSocket(Sockets.connect("/proc/self/fd/" + directory.number() + "/" + NAME));
        }
    }

    /** Preserves an open file, which is no copy, as {@code name}. */
    void preserve(String name, Fd file) {
        ask("1 preserve " + name, Optional.of(file)).files().forEach(Fd::close);
    }

    /**
     * The file's own descriptor.
     *
     * @param write whether it is to be written, too; then its position and flags are those of the session's own
     * @return a descriptor, the caller's to close
     */
    Fd open(String name, boolean write) {
        return ask("1 open " + (write ? "rw " : "r ") + name, Optional.empty()).files().stream()
                .findFirst()
                .orElseThrow(() -> new ErrnoException(Errno.EPROTO, NAME + " answered without a descriptor"));
    }

    private Message ask(String request, Optional<Fd> file) {
        messages.send(connection, Fd.utf8(request), file);
        // It waits for an answer: the socket is a blocking one.
        Message answer = messages.receive(connection).orElseThrow();
        String text = new String(answer.bytes(), StandardCharsets.UTF_8);
        if (text.equals(OK)) {
            return answer;
        }
        answer.files().forEach(Fd::close);
        throw text.startsWith(ERROR)
                ? refused(text.substring(ERROR.length()))
                : new ErrnoException(Errno.EPROTO, NAME + " answered '" + text + "'");
    }

    private static ErrnoException refused(String answer) {
        String[] errnoAndWords = answer.split(" ", 2);
        Errno errno = Arrays.stream(Errno.values())
                .filter(e -> e.name().equals(errnoAndWords[0]))
                .findFirst()
                .orElse(Errno.EIO);
        return new ErrnoException(errno, words(errnoAndWords, errno));
    }

    /** Without the errno, which an answer has at its end too. */
    private static String words(String[] errnoAndWords, Errno errno) {
        String words = errnoAndWords.length == 2 ? errnoAndWords[1] : "no reason was told";
        String told = ": " + errno.name() + " (" + errno + ")";
        return words.endsWith(told) ? words.substring(0, words.length() - told.length()) : words;
    }

    @Override
    public void close() {
        connection.close();
    }
}
