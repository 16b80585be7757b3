package org.kexecfs.daemon;

import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;
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

    /**
     * What came of one session of many.
     *
     * @param device its filesystem's number, major in the upper 32 bits, minor in the lower
     * @param how in lower case, what follows depends on it
     * @param said the state that it is in; for one that failed the errno's name, a space, and why in words
     */
    record Came(long device, How how, String said) implements Answer {
        /** It was done, failed, or was not tried. */
        public enum How {
            DONE,
            FAILED,
            LEFT
        }

        static Came failed(long device, ErrnoException e) {
            return new Came(device, How.FAILED, e.errno().name() + " " + e.getMessage());
        }

        /** Why it failed. */
        public Failed failure() {
            String[] words = said.split(" ", 2);
            return new Failed(errno(words[0]), words[1]);
        }

        @Override
        public String line() {
            return "1 " + how.name().toLowerCase(Locale.ROOT) + " " + Device.text(device) + " "
                    + said.replace('\n', ' ') + "\n";
        }

        private static Optional<Answer> parse(String[] words) {
            return Arrays.stream(How.values())
                    .filter(how -> how.name().toLowerCase(Locale.ROOT).equals(words[1]))
                    .filter(how -> how != How.FAILED || words[3].indexOf(' ') > 0)
                    .findFirst()
                    .flatMap(how -> Device.parse(words[2]).map(device -> new Came(device, how, words[3])));
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
        return Optional.of(words)
                .filter(all -> all.length == 4 && all[0].equals("1"))
                .flatMap(Came::parse)
                .orElseThrow(() -> new ErrnoException(Errno.EPROTO, "kexecfsd answered '" + line + "'"));
    }

    private static Errno errno(String name) {
        return Arrays.stream(Errno.values())
                .filter(e -> e.name().equals(name))
                .findFirst()
                .orElse(Errno.EIO);
    }
}
