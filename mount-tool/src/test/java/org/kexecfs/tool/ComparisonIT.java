package org.kexecfs.tool;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The programs of kexecfs/doc/comparison.md are whole, and its table counts their lines. That they work, and how many system
 * calls they make, is for the guest's scenario {@code cookbook}: they need a LUO.
 */
class ComparisonIT {
    private static final Path DOCUMENTS = Path.of(System.getProperty("kexecfs.sources"), "kexecfs/doc");

    /** {@code | `PROGRAM ARGUMENT` | WAY | LINES | CALLS |}. */
    private static final Pattern ROW = Pattern.compile("(?m)^\\| `([a-z-]+)[^|]*\\| [^|]* \\| (\\d+) \\| [^|]* \\|$");

    @TempDir
    private Path work;

    private Image image;

    @BeforeEach
    void extract() throws Exception {
        image = new Image(work);
        for (String document : List.of("cookbook", "comparison")) {
            image.sh(DOCUMENTS.resolve("extract") + " " + DOCUMENTS.resolve(document + ".md") + " programs");
        }
    }

    @Test
    void theProgramsAreWhole() throws Exception {
        assertEquals("", image.sh("shellcheck $(grep -l '^#!/bin/sh' programs/*)"));
        assertEquals(
                "",
                image.sh("for file in programs/*.c; do"
                        + " cc -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -o ${file%.c}.out $file || exit; done"));
    }

    @Test
    void theTableCountsTheLinesOfEachProgram() throws Exception {
        Map<String, String> counted = image.sh(DOCUMENTS.resolve("count-lines") + " programs/*")
                .lines()
                .map(line -> line.split(" "))
                .collect(Collectors.toMap(words -> words[0].replaceFirst("\\.c$", ""), words -> words[1]));
        Map<String, String> told = new TreeMap<>();
        ROW.matcher(Files.readString(DOCUMENTS.resolve("comparison.md")))
                .results()
                .forEach((MatchResult row) -> told.put(row.group(1), row.group(2)));

        assertTrue(told.size() >= 16, told.toString());
        told.forEach((program, lines) -> assertEquals(counted.get(program), lines, program));
    }
}
