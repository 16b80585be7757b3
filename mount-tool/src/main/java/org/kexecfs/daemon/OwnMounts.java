package org.kexecfs.daemon;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.LongPredicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.kexecfs.mount.DeadMounts;
import org.kexecfs.mount.MountTable;
import org.kexecfs.mount.MountTable.MountedSession;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Which filesystems this daemon has mounted, and those before it: an empty file for each, MAJOR:MINOR. So a mount whose session was
 * lost, with all that held it, is told from the dead mounts of others, which are not ours to tell of.
 */
final class OwnMounts {
    private static final Logger log = LoggerFactory.getLogger(OwnMounts.class);

    private final Path directory;

    /**
     * @param directory made when it is needed; a daemon that cannot write there knows of its own mounts only
     */
    OwnMounts(Path directory) {
        this.directory = directory;
    }

    /** One was mounted. */
    void add(long device) {
        try {
            Files.createDirectories(directory);
            Files.write(file(device), new byte[0]);
        } catch (IOException e) {
            log.warn("whether a mount is ours will not be known after a crash: {}", e.getMessage());
        }
    }

    /** One has ended. */
    void remove(long device) {
        try {
            Files.deleteIfExists(file(device));
        } catch (IOException e) {
            log.warn("a mount that has ended stays in the list of ours: {}", e.getMessage());
        }
    }

    /**
     * Mounts here of those before us whose server is gone. What is not mounted any more is forgotten.
     *
     * @param served whether this daemon serves it
     */
    List<MountedSession> dead(LongPredicate served) {
        List<MountedSession> mounts = MountTable.read();
        Set<Long> mounted = mounts.stream().map(MountedSession::device).collect(Collectors.toSet());
        Set<Long> before = all().stream().filter(device -> !served.test(device)).collect(Collectors.toSet());
        before.stream().filter(device -> !mounted.contains(device)).forEach(this::remove);
        return mounts.stream()
                .filter(mount -> before.contains(mount.device()))
                // The number may be another's by now.
                .filter(mount -> DeadMounts.isDead(mount.directory()))
                .toList();
    }

    private Set<Long> all() {
        if (!Files.isDirectory(directory)) {
            return Set.of();
        }
        try (Stream<Path> files = Files.list(directory)) {
            return files.map(file -> Device.parse(file.getFileName().toString()))
                    .flatMap(Optional::stream)
                    .collect(Collectors.toSet());
        } catch (IOException e) {
            log.warn("mounts of a daemon before are not known: {}", e.getMessage());
            return Set.of();
        }
    }

    private Path file(long device) {
        return directory.resolve(Device.text(device));
    }
}
