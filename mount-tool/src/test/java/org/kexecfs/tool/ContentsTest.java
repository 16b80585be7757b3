package org.kexecfs.tool;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.nio.file.attribute.UserDefinedFileAttributeView;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What {@link KilledIT} compares with sees each thing that can be lost. Needs root, for owners; and no mount. */
class ContentsTest {
    @TempDir
    private Path root;

    private Contents before;

    private interface Damage {
        void to(Path file) throws IOException;
    }

    @BeforeEach
    void fill() throws IOException {
        Files.writeString(root.resolve("a"), "acknowledged");
        attributes("a").write("colour", StandardCharsets.UTF_8.encode("red"));
        Files.writeString(root.resolve("b"), "acknowledged");
        Files.createLink(root.resolve("c"), root.resolve("b"));
        before = Contents.of(root);
    }

    private UserDefinedFileAttributeView attributes(String name) {
        return Files.getFileAttributeView(root.resolve(name), UserDefinedFileAttributeView.class);
    }

    private List<String> differencesAfter(Damage damage) throws IOException {
        FileTime modified = Files.getLastModifiedTime(root);
        FileTime modifiedFile = Files.getLastModifiedTime(root.resolve("a"));
        damage.to(root.resolve("a"));
        if (Files.exists(root.resolve("a"))) {
            Files.setLastModifiedTime(root.resolve("a"), modifiedFile);
        }
        Files.setLastModifiedTime(root, modified);
        return before.differences(Contents.of(root));
    }

    private void assertTold(String words, Damage damage) throws IOException {
        List<String> told = differencesAfter(damage);
        assertEquals(1, told.size(), told.toString());
        assertTrue(told.getFirst().startsWith(words), told.toString());
    }

    @Test
    void whatIsAsItWas_isNotTold() throws Exception {
        assertEquals(List.of(), differencesAfter(file -> {}));
    }

    @Test
    void aLostByteIsTold() throws Exception {
        assertTold("a has content acknowledge,", file -> Files.writeString(file, "acknowledge"));
    }

    @Test
    void aWrongByteIsTold() throws Exception {
        assertTold("a has content Acknowledged,", file -> Files.writeString(file, "A", StandardOpenOption.WRITE));
    }

    @Test
    void aMissingNameIsTold() throws Exception {
        assertTold("a is missing", Files::delete);
    }

    @Test
    void aNameThatIsTooMuchIsTold() throws Exception {
        assertTold("d is too much", file -> Files.createFile(root.resolve("d")));
    }

    @Test
    void aWrongModeIsTold() throws Exception {
        assertTold(
                "a has mode 600, and not 644",
                file -> Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-------")));
    }

    @Test
    void aWrongOwnerIsTold() throws Exception {
        assertTold("a has owner 7:0, and not 0:0", file -> Files.setAttribute(file, "unix:uid", 7));
    }

    @Test
    void aWrongGroupIsTold() throws Exception {
        assertTold("a has owner 0:7, and not 0:0", file -> Files.setAttribute(file, "unix:gid", 7));
    }

    @Test
    void aWrongTimeIsTold() throws Exception {
        FileTime other =
                FileTime.fromMillis(Files.getLastModifiedTime(root.resolve("b")).toMillis() - 1);
        List<String> told = differencesAfter(file -> Files.setLastModifiedTime(root.resolve("b"), other));

        assertEquals(2, told.size(), "b, and c, which is the same file");
        assertTrue(told.getFirst().startsWith("b was modified at"), told.toString());
    }

    @Test
    void aLostAttributeIsTold() throws Exception {
        assertTold("a has attributes {}, and not", file -> attributes("a").delete("colour"));
    }

    @Test
    void aWrongAttributeIsTold() throws Exception {
        assertTold(
                "a has attributes {colour=blue}",
                file -> attributes("a").write("colour", StandardCharsets.UTF_8.encode("blue")));
    }

    @Test
    void aLinkThatIsAFileOfItsOwnIsTold() throws Exception {
        FileTime modified = Files.getLastModifiedTime(root.resolve("b"));
        assertTold("c is linked to other names", file -> {
            Files.delete(root.resolve("c"));
            Files.writeString(root.resolve("c"), "acknowledged");
            Files.setLastModifiedTime(root.resolve("c"), modified);
        });
    }

    @Test
    void afterATamperedMountTheLoadComplains() throws Exception {
        Files.writeString(root.resolve("kexecfs.state"), "normal\n");
        try (Load load = new Load(root, new Random(1))) {
            load.check("untouched");
            Files.writeString(root.resolve("a"), "lost");
            AssertionError told = assertThrows(AssertionError.class, () -> load.check("tampered"));
            assertTrue(told.getMessage().contains("a has content lost"), told.getMessage());
        }
    }

    @Test
    void anotherStateIsTold() throws Exception {
        Files.writeString(root.resolve("kexecfs.state"), "normal\n");
        try (Load load = new Load(root, new Random(1))) {
            Files.writeString(root.resolve("kexecfs.state"), "prepared\n");
            AssertionError told = assertThrows(AssertionError.class, () -> load.check("tampered"));
            assertTrue(told.getMessage().contains("state is prepared, and not normal"), told.getMessage());
        }
    }
}
