package org.kexecfs.daemon;

import java.nio.charset.StandardCharsets;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;

/**
 * What a client asks the daemon for, once a connection: fields of UTF-8 with a NUL after each, the version and the verb
 * first, and the end of what is sent. kexecfs/doc/daemon-protocol.md describes it.
 */
public sealed interface Request {
    /** Longest request, in bytes: two paths (PATH_MAX), and options (a page, as mount(2) has it). */
    int LONGEST = 3 * 4096 + 256;

    /**
     * Mounts a session; the answer comes when it is mounted.
     *
     * @param session its name
     * @param directory the mount point, absolute
     * @param base what relative paths in the options are relative to, absolute
     * @param options as after {@code -o}
     */
    record Mount(String session, Path directory, Path base, String options) implements Request {
        @Override
        public byte[] encoded() {
            return encode("mount", session, directory.toString(), base.toString(), options);
        }
    }

    /**
     * Waits for the end of a mount. The first answer, {@link Answer.Waiting}, says that the mount is known, and nothing is
     * missed from then on; the second that it has ended.
     *
     * @param device the filesystem's number, major in the upper 32 bits, minor in the lower
     */
    record AwaitEnd(long device) implements Request {
        @Override
        public byte[] encoded() {
            return encode("await", Device.text(device));
        }
    }

    /**
     * Ends the mounts of an emulation as a kexec does: at once, whoever uses them.
     *
     * @param emulation its directory, absolute
     */
    record Drop(Path emulation) implements Request {
        @Override
        public byte[] encoded() {
            return encode("drop", emulation.toString());
        }
    }

    /**
     * Answers when what a killed daemon had mounted is mounted again, as far as it can be: a daemon begins with that. What could
     * not be is {@link Answer.Failed}, with ENOTCONN.
     */
    record Heal() implements Request {
        @Override
        public byte[] encoded() {
            return encode("heal");
        }
    }

    /**
     * Writes a word to a control file of each session that the daemon serves and that is mounted where it and the client are,
     * several at a time. The answers are an {@link Answer.Came} for each, as they come, then {@link Answer.Done}.
     *
     * @param file the control file's name
     * @param word what is written to it
     * @param from the states in which it is tried; sessions in another one are left as they are
     */
    record WriteAll(String file, String word, Set<String> from) implements Request {
        @Override
        public byte[] encoded() {
            return encode("write-all", file, word, String.join(",", from));
        }
    }

    /** The bytes to send. */
    byte[] encoded();

    private static byte[] encode(String... fields) {
        return ("1\0" + String.join("\0", fields) + "\0").getBytes(StandardCharsets.UTF_8);
    }

    /**
     * Reads a request.
     *
     * @throws ErrnoException EPROTONOSUPPORT for another version; EINVAL for what is no request
     */
    static Request parse(byte[] bytes) {
        List<String> fields = List.of(new String(bytes, StandardCharsets.UTF_8).split("\0", -1));
        if (!fields.getFirst().equals("1")) {
            throw new ErrnoException(Errno.EPROTONOSUPPORT, "this kexecfsd speaks version 1 of the protocol");
        }
        // Behind the last NUL there is nothing.
        if (fields.size() < 3 || !fields.getLast().isEmpty()) {
            throw malformed();
        }
        return parse(fields.get(1), fields.subList(2, fields.size() - 1));
    }

    private static Request parse(String verb, List<String> fields) {
        if (verb.equals("mount") && fields.size() == 4) {
            return new Mount(fields.get(0), path(fields.get(1)), path(fields.get(2)), fields.get(3));
        }
        if (verb.equals("await") && fields.size() == 1) {
            return new AwaitEnd(Device.parse(fields.getFirst()).orElseThrow(Request::malformed));
        }
        if (verb.equals("heal") && fields.isEmpty()) {
            return new Heal();
        }
        if (verb.equals("drop") && fields.size() == 1) {
            return new Drop(path(fields.getFirst()));
        }
        if (verb.equals("write-all") && fields.size() == 3) {
            return new WriteAll(
                    fields.get(0),
                    fields.get(1),
                    Set.copyOf(List.of(fields.get(2).split(","))));
        }
        throw malformed();
    }

    private static Path path(String text) {
        try {
            Path path = Path.of(text);
            if (path.isAbsolute()) {
                return path;
            }
        } catch (InvalidPathException e) {
            throw malformed();
        }
        throw malformed();
    }

    private static ErrnoException malformed() {
        return new ErrnoException(Errno.EINVAL, "no request of version 1 of the protocol");
    }
}
