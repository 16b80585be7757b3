package org.kexecfs.daemon;

import java.util.Arrays;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;

/** What the daemon says to a request: a line each. */
public sealed interface Answer {
    /** It is done. */
    record Done() implements Answer {
        @Override
        public String line() {
            return "1 ok\n";
        }
    }

    /** It was understood; another answer follows. */
    record Waiting() implements Answer {
        @Override
        public String line() {
            return "1 waiting\n";
        }
    }

    /**
     * It was not done.
     *
     * @param errno why
     * @param message in words, with the errno's name
     */
    record Failed(Errno errno, String message) implements Answer {
        static Failed of(ErrnoException e) {
            return new Failed(e.errno(), e.getMessage());
        }

        @Override
        public String line() {
            return "1 error " + errno.name() + " " + message.replace('\n', ' ') + "\n";
        }
    }

    /** The line to send, with its end. */
    String line();

    /**
     * Reads a line, without its end.
     *
     * @throws ErrnoException EPROTO for what is no answer
     */
    static Answer parse(String line) {
        if (line.equals("1 ok")) {
            return new Done();
        }
        if (line.equals("1 waiting")) {
            return new Waiting();
        }
        String[] words = line.split(" ", 4);
        if (words.length == 4 && words[0].equals("1") && words[1].equals("error")) {
            return new Failed(errno(words[2]), words[3]);
        }
        throw new ErrnoException(Errno.EPROTO, "kexecfsd answered '" + line + "'");
    }

    private static Errno errno(String name) {
        return Arrays.stream(Errno.values())
                .filter(e -> e.name().equals(name))
                .findFirst()
                .orElse(Errno.EIO);
    }
}
