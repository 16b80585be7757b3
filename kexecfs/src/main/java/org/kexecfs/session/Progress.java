package org.kexecfs.session;

import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.kexecfs.posix.Fd;

/**
 * How far a session is in its life: what a crash must not forget, and is neither in the manifest nor to be carried through
 * a kexec.
 *
 * <p>In a file it is lines, {@code WORD VALUE}. Each step of the session is a new file; claims are added at its end.
 *
 * @param kernel the one that runs: under another nothing of this holds
 * @param state the session's
 * @param accepted a finish that is to be completed: LUO has finished
 * @param restored tokens below this came through the last kexec, those from it on are new
 * @param error what kexecfs.error says
 * @param claimed tokens of restored entries that were opened since
 */
record Progress(String kernel, State state, Optional<Finish> accepted, long restored, String error, Set<Long> claimed) {
    private static final String KERNEL = "kernel";
    private static final String STATE = "state";
    private static final String ACCEPTED = "accepted";
    private static final String RESTORED = "restored";
    private static final String ERROR = "error";
    private static final String CLAIMED = "claimed";

    /** A session in a state, with nothing else to remember. */
    static Progress of(String kernel, State state) {
        return new Progress(kernel, state, Optional.empty(), 0, "", Set.of());
    }

    /** After a kexec: what was restored, and what went wrong. */
    static Progress restored(String kernel, State state, long restored, String error) {
        return new Progress(kernel, state, Optional.empty(), restored, error, Set.of());
    }

    /** The same, once LUO has finished. */
    Progress accepting(Finish how) {
        return new Progress(kernel, state, Optional.of(how), restored, error, claimed);
    }

    /** How an entry fares that is there. */
    Status statusOf(long token) {
        if (token >= restored) {
            return Status.LINKED;
        }
        return claimed.contains(token) ? Status.CLAIMED : Status.RESTORED;
    }

    /** As it is in a file. */
    byte[] bytes() {
        StringBuilder text = new StringBuilder();
        text.append(line(KERNEL, kernel)).append(line(STATE, state.name()));
        accepted.ifPresent(how -> text.append(line(ACCEPTED, how.name())));
        text.append(line(RESTORED, restored)).append(line(ERROR, error.replace('\n', ' ')));
        claimed.forEach(token -> text.append(line(CLAIMED, token)));
        return Fd.utf8(text.toString());
    }

    /** What is added to the file when an entry is claimed. */
    static byte[] claim(long token) {
        return Fd.utf8(line(CLAIMED, token));
    }

    private static String line(String word, Object value) {
        return word + " " + value + "\n";
    }

    /** Reads a file; empty if it is none of these. A last line that was not written to its end does not count. */
    static Optional<Progress> read(Fd file) {
        byte[] bytes = new byte[(int) file.status().size()];
        String text = new String(bytes, 0, file.pread(bytes, 0), StandardCharsets.UTF_8);
        Map<String, String> values = new HashMap<>();
        Set<Long> claimed = new HashSet<>();
        try {
            for (String line : text.substring(0, text.lastIndexOf('\n') + 1).split("\n")) {
                String[] pair = line.split(" ", 2);
                if (pair[0].equals(CLAIMED)) {
                    claimed.add(Long.valueOf(pair[1]));
                } else {
                    values.put(pair[0], pair[1]);
                }
            }
            return Optional.of(new Progress(
                    values.get(KERNEL),
                    State.valueOf(values.get(STATE)),
                    Optional.ofNullable(values.get(ACCEPTED)).map(Finish::valueOf),
                    Long.parseLong(values.get(RESTORED)),
                    values.get(ERROR),
                    Set.copyOf(claimed)));
        } catch (IllegalArgumentException | NullPointerException | ArrayIndexOutOfBoundsException e) {
            return Optional.empty();
        }
    }
}
