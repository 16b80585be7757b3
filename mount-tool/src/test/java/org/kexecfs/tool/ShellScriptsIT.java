package org.kexecfs.tool;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** Every shell script of the project is one that shellcheck has nothing to say about. */
class ShellScriptsIT {
    private static final Path SOURCES = Path.of(System.getProperty("kexecfs.sources"));
    private static final Set<String> NOT_OURS = Set.of("target", ".git", "mvnw");

    @Test
    void shellcheckIsContent() throws Exception {
        List<String> command =
                new ArrayList<>(List.of("shellcheck", "--external-sources", "--source-path=SCRIPTDIR:."));
        List<String> scripts = scripts();
        assertTrue(scripts.size() > 5, () -> "only these scripts were found: " + scripts);
        command.addAll(scripts);

        Process shellcheck = new ProcessBuilder(command)
                .directory(SOURCES.toFile())
                .redirectErrorStream(true)
                .start();
        String output = new String(shellcheck.getInputStream().readAllBytes(), StandardCharsets.UTF_8);

        assertEquals(0, shellcheck.waitFor(), output);
    }

    private static List<String> scripts() throws IOException {
        List<String> scripts = new ArrayList<>();
        Files.walkFileTree(SOURCES, new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult preVisitDirectory(Path directory, BasicFileAttributes attributes) {
                return NOT_OURS.contains(directory.getFileName().toString())
                        ? FileVisitResult.SKIP_SUBTREE
                        : FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                if (attributes.isRegularFile()
                        && !NOT_OURS.contains(file.getFileName().toString())
                        && isScript(file)) {
                    scripts.add(SOURCES.relativize(file).toString());
                }
                return FileVisitResult.CONTINUE;
            }
        });
        return scripts;
    }

    private static boolean isScript(Path file) throws IOException {
        if (file.toString().endsWith(".sh")) {
            return true;
        }
        byte[] first = new byte[32];
        int length;
        try (var in = Files.newInputStream(file)) {
            length = in.readNBytes(first, 0, first.length);
        }
        return new String(first, 0, length, StandardCharsets.ISO_8859_1).matches("(?s)#! ?/\\S*(/| )(ba|da)?sh\\b.*");
    }
}
