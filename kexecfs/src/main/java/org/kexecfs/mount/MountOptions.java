package org.kexecfs.mount;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.session.Settings.Preserve;

/**
 * What {@code mount -o} says. Names and meanings are those of kexecfs/doc/interface.md; those that every filesystem
 * has are mount(8)'s.
 *
 * @param device the LUO device; unused with {@code emulate}
 * @param emulate the directory of the emulation, if it is to take the device's place
 * @param uid owner of the root
 * @param gid group of the root
 * @param mode permission bits of the root
 * @param controlUid owner of the control files; empty: who mounts
 * @param controlGid group of the control files; empty: who mounts
 * @param controlMode permission bits of the control files that can be written, less all but the write bits
 * @param preserve when files are handed to LUO
 * @param size bytes of all entries, 0 for no limit
 * @param inodes number of entries, 0 for no limit
 * @param readOnly {@code ro}
 * @param noexec {@code noexec}
 * @param nowhere {@code private}: a mount in no mount table
 */
public record MountOptions(
        Path device,
        Optional<Path> emulate,
        Optional<Integer> uid,
        Optional<Integer> gid,
        Optional<Integer> mode,
        Optional<Integer> controlUid,
        Optional<Integer> controlGid,
        int controlMode,
        Preserve preserve,
        long size,
        long inodes,
        boolean readOnly,
        boolean noexec,
        boolean nowhere) {
    private static final Path DEVICE = Path.of("/dev/liveupdate");
    private static final int CONTROL_MODE = 0200;
    private static final int PAGE = 4096;

    /** Bytes; 0 before it was looked at. */
    private static volatile long machineMemory;

    /** mount(8)'s own words for its other readers, such as fstab's; a filesystem has nothing to do for them. */
    private static final Set<String> NOTHING_TO_DO = Set.of(
            "defaults",
            "rw",
            "nosuid",
            "nodev",
            "exec",
            "async",
            "auto",
            "noauto",
            "user",
            "nouser",
            "users",
            "owner",
            "group",
            "_netdev",
            "nofail",
            "relatime",
            "norelatime",
            "noatime",
            "atime",
            "diratime",
            "nodiratime",
            "strictatime",
            "lazytime",
            "nolazytime");

    /**
     * Reads options.
     *
     * @param text as after {@code -o}: {@code NAME[=VALUE]}, comma-separated; empty for the defaults
     * @throws ErrnoException EINVAL, with the option and what it may be
     */
    public static MountOptions parse(String text) {
        return parse(text, Path.of(""));
    }

    /**
     * Reads options that somebody else gave.
     *
     * @param text as for {@link #parse(String)}
     * @param base what relative paths in it are relative to
     * @throws ErrnoException EINVAL, with the option and what it may be
     */
    public static MountOptions parse(String text, Path base) {
        Map<String, String> given = new HashMap<>();
        for (String option : text.split(",")) {
            int equals = option.indexOf('=');
            String key = equals < 0 ? option : option.substring(0, equals);
            if (!key.isEmpty() && !NOTHING_TO_DO.contains(option) && !key.startsWith("x-")) {
                given.put(key, equals < 0 ? null : option.substring(equals + 1));
            }
        }
        return new Parser(given, base).options();
    }

    /** Takes options out of a map, and refuses what is left. */
    private static final class Parser {
        private final Map<String, String> given;
        private final Path base;

        private Parser(Map<String, String> given, Path base) {
            this.given = given;
            this.base = base;
        }

        private MountOptions options() {
            boolean emulated = given.containsKey("emulate");
            if (emulated && given.containsKey("device")) {
                throw invalid("device and emulate exclude each other; give one");
            }
            MountOptions options = new MountOptions(
                    text("device").map(this::path).orElse(DEVICE),
                    emulated ? Optional.of(emulationDirectory(given.remove("emulate"))) : Optional.empty(),
                    id("uid"),
                    id("gid"),
                    mode("mode"),
                    id("control_uid"),
                    id("control_gid"),
                    mode("control_mode").orElse(CONTROL_MODE),
                    preserve(),
                    limit("size").orElse(memory() / 2),
                    limit("nr_inodes").orElse(memory() / 2 / PAGE),
                    flag("ro"),
                    flag("noexec"),
                    flag("private"));
            given.keySet().stream().sorted().findFirst().ifPresent(option -> {
                throw invalid("unknown mount option " + option + "; kexecfs/doc/interface.md lists them");
            });
            return options;
        }

        private Preserve preserve() {
            String when = text("preserve").orElse("prepare");
            return switch (when) {
                case "prepare" -> Preserve.AT_PREPARE;
                case "link" -> Preserve.AT_LINK;
                default -> throw invalid("mount option preserve=" + when + "; it is prepare or link");
            };
        }

        private Path path(String given) {
            return base.resolve(given).toAbsolutePath();
        }

        private Path emulationDirectory(String given) {
            if (given != null && !given.isEmpty()) {
                return path(given);
            }
            return RuntimeDirectory.path().resolve("emulated");
        }

        private boolean flag(String key) {
            if (!given.containsKey(key)) {
                return false;
            }
            if (given.remove(key) != null) {
                throw invalid("mount option " + key + " takes no value");
            }
            return true;
        }

        private Optional<String> text(String key) {
            if (!given.containsKey(key)) {
                return Optional.empty();
            }
            String value = given.remove(key);
            if (value == null || value.isEmpty()) {
                throw invalid("mount option " + key + " needs a value");
            }
            return Optional.of(value);
        }

        private Optional<Integer> id(String key) {
            return text(key).map(value -> {
                try {
                    return Integer.parseUnsignedInt(value);
                } catch (NumberFormatException e) {
                    throw invalid("mount option " + key + "=" + value + "; it is a number from 0 to 4294967295");
                }
            });
        }

        private Optional<Integer> mode(String key) {
            return text(key).map(value -> {
                if (!value.matches("[0-7]{1,4}")) {
                    throw invalid("mount option " + key + "=" + value + "; it is permission bits in octal, as 0750");
                }
                return Integer.parseInt(value, 8);
            });
        }

        /** As tmpfs reads them: a number, k, m, g or t behind it, or a part of the memory in %. */
        private Optional<Long> limit(String key) {
            return text(key).map(value -> {
                String lower = value.toLowerCase(Locale.ROOT);
                boolean percent = key.equals("size") && lower.endsWith("%");
                if (!lower.matches("[0-9]{1,18}" + (percent ? "%" : "[kmgt]?"))) {
                    throw invalid("mount option " + key + "=" + value + "; it is a number, with k, m, g or t behind it"
                            + (key.equals("size") ? ", or a part of the memory as 50%" : ""));
                }
                try {
                    if (percent) {
                        return Math.multiplyExact(
                                memory() / 100, Long.parseLong(lower.substring(0, lower.length() - 1)));
                    }
                    int scale = "kmgt".indexOf(lower.charAt(lower.length() - 1)) + 1;
                    String digits = scale == 0 ? lower : lower.substring(0, lower.length() - 1);
                    return Math.multiplyExact(Long.parseLong(digits), 1L << 10 * scale);
                } catch (ArithmeticException e) {
                    throw invalid("mount option " + key + "=" + value + " is more than there can be");
                }
            });
        }

        private static ErrnoException invalid(String why) {
            return new ErrnoException(Errno.EINVAL, why);
        }
    }

    /** Bytes of memory that the machine has; looked at once, for options are read several times for each of thousands of mounts. */
    private static long memory() {
        if (machineMemory == 0) {
            machineMemory = readMemory();
        }
        return machineMemory;
    }

    private static long readMemory() {
        try {
            return Files.readAllLines(Path.of("/proc/meminfo")).stream()
                    .filter(line -> line.startsWith("MemTotal:"))
                    .map(line -> line.replaceAll("[^0-9]", ""))
                    .mapToLong(Long::parseLong)
                    .map(kilobytes -> kilobytes * 1024)
                    .findFirst()
                    .orElseThrow(() -> new IOException("no MemTotal"));
        } catch (IOException e) {
            throw new ErrnoException(Errno.EIO, "/proc/meminfo: " + e.getMessage());
        }
    }
}
