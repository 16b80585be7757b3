package org.kexecfs.fuse;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.kexecfs.fuse.CProgram.FAMILIES;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** System calls of every family that a program may make on a file: a mount answers as tmpfs does, but for what is told here. */
class FamiliesTest {
    private static final Path TMPFS = Path.of("/dev/shm");

    /** {@code doc/posix.md} tells why. */
    private static final List<String> DIFFERENCES = List.of(
            "fchmod without a name: ENOENT",
            "fchown without a name: ENOENT",
            "futimens without a name: ENOENT",
            "fsetxattr without a name: ENOENT",
            "fgetxattr without a name: ENOENT",
            "fremovexattr without a name: ENOENT",
            "the same through another name: OK",
            "fcntl F_GET_SEALS: EINVAL",
            "FS_IOC_GETFLAGS: ENOTTY");

    @Test
    void aMountAnswersAsTmpfs() throws IOException {
        Path directory = Files.createTempDirectory(TMPFS, "kexecfs");
        List<String> tmpfs;
        try {
            tmpfs = Shell.run(List.of("sh", "-c", "cd " + directory + " && " + FAMILIES))
                    .succeeded()
                    .lines()
                    .toList();
        } finally {
            Files.delete(directory);
        }
        try (Mounted mounted = Mounted.with("size=64m")) {
            List<String> ours = mounted.sh(FAMILIES).succeeded().lines().toList();
            assertTrue(ours.size() > 50, () -> "only these: " + ours);
            assertEquals(names(tmpfs), names(ours));
            List<String> different = new ArrayList<>(ours);
            different.removeAll(tmpfs);
            assertEquals(DIFFERENCES, different);
            assertEquals("", mounted.sh("ls | grep -v '^kexecfs'; :").succeeded());
        }
    }

    private static List<String> names(List<String> answers) {
        return answers.stream()
                .map(answer -> answer.substring(0, answer.indexOf(": ")))
                .toList();
    }
}
