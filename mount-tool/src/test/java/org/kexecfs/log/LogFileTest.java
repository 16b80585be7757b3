package org.kexecfs.log;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A log of a limited length. */
class LogFileTest {
    private static final int MOST = 1000;
    private static final String LINE = "a line of 20 bytes.\n";

    @TempDir
    private Path directory;

    private PrintStream log() {
        return new PrintStream(new LogFile(directory.resolve("log"), MOST), true, StandardCharsets.UTF_8);
    }

    @Test
    void itNeverGrowsPastItsLimit_andTheOneBeforeIsKept() throws Exception {
        try (PrintStream log = log()) {
            for (int i = 0; i < 1000; i++) {
                log.print(LINE);
                assertTrue(Files.size(directory.resolve("log")) <= MOST);
            }
        }
        assertEquals(LINE.repeat(MOST / LINE.length()), Files.readString(directory.resolve("log.old")));
        assertTrue(Files.readString(directory.resolve("log")).endsWith(LINE));
    }

    @Test
    void whatIsThereIsAddedTo() throws Exception {
        Files.writeString(directory.resolve("log"), "before\n");
        try (PrintStream log = log()) {
            log.print("after\n");
        }
        assertEquals("before\nafter\n", Files.readString(directory.resolve("log")));
    }

    @Test
    void oneThatIsTooLongAlreadyIsSetAside() throws Exception {
        Files.writeString(directory.resolve("log"), "x".repeat(MOST));
        try (PrintStream log = log()) {
            log.print(LINE);
        }
        assertEquals(LINE, Files.readString(directory.resolve("log")));
    }

    @Test
    void whereNothingCanBeWrittenItGoesOnSilently_andLaterWrites() throws Exception {
        Path missing = directory.resolve("none");
        try (PrintStream log =
                new PrintStream(new LogFile(missing.resolve("log"), MOST), true, StandardCharsets.UTF_8)) {
            log.print("lost\n");
            Files.createDirectory(missing);
            log.print("said\n");
        }
        assertEquals("said\n", Files.readString(missing.resolve("log")));
    }
}
