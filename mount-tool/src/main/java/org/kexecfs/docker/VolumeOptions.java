package org.kexecfs.docker;

import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.mount.MountOptions;
import org.kexecfs.posix.ErrnoException;

/** The options of {@code docker volume create -o}: those of a mount, each with its value. */
final class VolumeOptions {
    /** As mount(2) has it, with its end. */
    private static final int LONGEST = 4095;

    private VolumeOptions() {}

    /**
     * What is to be given after {@code mount -o}.
     *
     * @param defaults options of all volumes, as after {@code -o}; may be empty
     * @param given a volume's own, which come first; a flag has the value ""
     * @throws ErrnoException EINVAL, with the option and what it may be
     */
    static String joined(String defaults, Map<String, String> given) {
        Map<String, String> all = new TreeMap<>();
        for (String option : defaults.split(",")) {
            if (!option.isEmpty()) {
                int equals = option.indexOf('=');
                all.put(
                        equals < 0 ? option : option.substring(0, equals),
                        equals < 0 ? "" : option.substring(equals + 1));
            }
        }
        given.forEach((option, value) -> {
            requireOne(option, value);
            all.put(option, value);
        });
        String joined = all.entrySet().stream()
                .map(option -> option.getKey() + (option.getValue().isEmpty() ? "" : "=" + option.getValue()))
                .collect(Collectors.joining(","));
        if (joined.length() > LONGEST) {
            throw new ErrnoException(Errno.EINVAL, "options of more than " + LONGEST + " characters");
        }
        if (MountOptions.parse(joined, Path.of("/")).nowhere()) {
            throw new ErrnoException(Errno.EINVAL, "option private: a volume is mounted on a directory");
        }
        return joined;
    }

    /** An option that is several, after one another, would be checked as one. */
    private static void requireOne(String option, String value) {
        if (option.isEmpty() || option.matches("(?s).*[,=\0].*") || value.matches("(?s).*[,\0].*")) {
            throw new ErrnoException(
                    Errno.EINVAL, "option '" + option + "' with the value '" + value + "'; give each as -o NAME=VALUE");
        }
    }
}
