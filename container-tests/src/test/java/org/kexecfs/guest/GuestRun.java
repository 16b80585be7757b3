package org.kexecfs.guest;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What came of running a guest.
 *
 * @param scenario the scenario that it ran
 * @param console every line of its serial console, in order
 * @param elapsed from QEMU's start to its end
 * @param end how QEMU came to its end, in words
 */
public record GuestRun(String scenario, List<String> console, Duration elapsed, String end) {

    private static final int TAIL = 60;
    private static final Pattern CHECK = Pattern.compile("(not )?ok - (.*)");
    private static final Pattern DONE = Pattern.compile("kexecfs-guest: (\\S+) done, (\\d+) checks");
    private static final String DETAIL = "    ";
    private static final String NOTE = "# ";

    /** Keeps its own copy of the console. */
    public GuestRun {
        console = List.copyOf(console);
    }

    /**
     * The checks that the guest reported, in order.
     *
     * @return one for each {@code ok} or {@code not ok} line, with the indented lines below it
     */
    public List<Check> checks() {
        List<Check> checks = new ArrayList<>();
        for (int at = 0; at < console.size(); at++) {
            Matcher check = CHECK.matcher(console.get(at));
            if (check.matches()) {
                checks.add(new Check(check.group(1) == null, check.group(2), detailBelow(at)));
            }
        }
        return checks;
    }

    private String detailBelow(int line) {
        return String.join(
                "\n",
                console.stream()
                        .skip(line + 1L)
                        .takeWhile(below -> below.startsWith(DETAIL))
                        .map(String::strip)
                        .toList());
    }

    /**
     * Figures and remarks: the console's lines that begin with {@code #}.
     *
     * @return the lines, without that mark
     */
    public List<String> notes() {
        return console.stream()
                .filter(line -> line.startsWith(NOTE))
                .map(line -> line.substring(NOTE.length()))
                .toList();
    }

    /**
     * Why the scenario did not run to its end.
     *
     * @return the reason, with the failed checks and the end of the console; empty if it did
     */
    public Optional<String> failure() {
        return reason().map(reason -> "guest scenario %s: %s after %d s; failed before: %s; the end of its console:%n%s"
                .formatted(scenario, reason, elapsed.toSeconds(), failedNames(), tail()));
    }

    private Optional<String> reason() {
        if (console.stream().anyMatch(line -> line.contains("Kernel panic"))) {
            return Optional.of("the kernel panicked");
        }
        Optional<Matcher> done =
                console.stream().map(DONE::matcher).filter(Matcher::matches).findFirst();
        if (done.isEmpty()) {
            return Optional.of(end + " before the scenario was done");
        }
        // A line that a kernel message ran into would otherwise be a check that silently is not there.
        int reported = Integer.parseInt(done.get().group(2));
        int read = checks().size();
        return reported == read
                ? Optional.empty()
                : Optional.of("it made %d checks, and %d can be read".formatted(reported, read));
    }

    private List<String> failedNames() {
        return checks().stream()
                .filter(check -> !check.holds())
                .map(Check::name)
                .toList();
    }

    private String tail() {
        return String.join("\n", console.subList(Math.max(0, console.size() - TAIL), console.size()));
    }
}
