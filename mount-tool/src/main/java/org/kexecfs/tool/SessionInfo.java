package org.kexecfs.tool;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.kexecfs.mount.DeadMounts;
import org.kexecfs.mount.MountTable.MountedSession;

/**
 * What a mount says of itself in {@code kexecfs.info}.
 *
 * @param mount where
 * @param fields its lines; of a mount whose server is gone, only {@code state dead}
 */
record SessionInfo(MountedSession mount, Map<String, String> fields) {
    private static final String FILE = "kexecfs.info";

    static SessionInfo read(MountedSession mount) {
        Path file = mount.directory().resolve(FILE);
        try {
            return new SessionInfo(mount, parse(Files.readString(file)));
        } catch (IOException e) {
            if (isDead(mount.directory())) {
                return new SessionInfo(mount, Map.of("state", "dead"));
            }
            throw new ToolException(Exit.FAILED, "cannot read " + file + ": " + e.getMessage(), e);
        }
    }

    /** Whether the process that served the mount is gone: all that can be done with it is to unmount it. */
    static boolean isDead(Path directory) {
        return DeadMounts.isDead(directory);
    }

    /** {@code key value} lines. A key that this version does not know is kept. */
    static Map<String, String> parse(String text) {
        Map<String, String> fields = new LinkedHashMap<>();
        for (String line : text.lines().toList()) {
            int space = line.indexOf(' ');
            if (space > 0) {
                fields.put(line.substring(0, space), line.substring(space + 1));
            }
        }
        return fields;
    }

    String state() {
        return fields.getOrDefault("state", "unknown");
    }

    /** A field, or {@code -}. */
    String shown(String key) {
        return fields.getOrDefault(key, "-");
    }

    /** A number, where the mount tells it. */
    Optional<Long> number(String key) {
        return Optional.ofNullable(fields.get(key)).map(Long::valueOf);
    }
}
