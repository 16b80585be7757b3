package org.kexecfs.vm;

import java.util.List;
import java.util.regex.Pattern;

/**
 * What the machine says again and again: where it is, by its own memory and clock.
 *
 * @param number of times it has said so since its boot
 * @param uptime seconds since its boot
 */
record Tick(int number, double uptime) {
    private static final Pattern LINE = Pattern.compile("counter (\\d+) uptime ([0-9.]+)\\r?\\n");

    /** The ticks of a console, in order; what else is on it, and a line that has not ended, does not count. */
    static List<Tick> of(String console) {
        return LINE.matcher(console)
                .results()
                .map(line -> new Tick(Integer.parseInt(line.group(1)), Double.parseDouble(line.group(2))))
                .toList();
    }
}
