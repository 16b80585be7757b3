package org.kexecfs.daemon;

import java.util.Optional;

/** A filesystem's number in requests and answers: MAJOR:MINOR, as proc_pid_mountinfo(5) has it. */
final class Device {
    private Device() {}

    /**
     * As text.
     *
     * @param number major in the upper 32 bits, minor in the lower
     */
    static String text(long number) {
        return (number >>> 32) + ":" + (number & 0xffffffffL);
    }

    /** From text; empty if it is none. */
    static Optional<Long> parse(String text) {
        String[] numbers = text.split(":", -1);
        try {
            return numbers.length == 2
                    ? Optional.of((long) Integer.parseInt(numbers[0]) << 32 | Integer.parseInt(numbers[1]))
                    : Optional.empty();
        } catch (NumberFormatException e) {
            return Optional.empty();
        }
    }
}
