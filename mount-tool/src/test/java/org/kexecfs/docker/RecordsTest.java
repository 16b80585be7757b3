package org.kexecfs.docker;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RecordsTest {
    private static final Volume WEB = new Volume(
            new VolumeName("web"), "size=1048576", Instant.parse("2026-11-21T16:00:00Z"), Set.of("a\"b", "c"));

    @TempDir
    private Path directory;

    private Map<VolumeName, Volume> loaded(String boot) {
        try (Records records = Records.open(directory, boot)) {
            return records.load();
        }
    }

    private void write(String boot) {
        try (Records records = Records.open(directory, boot)) {
            records.write(WEB);
        }
    }

    @Test
    void whatWasRecordedIsThereAgain() {
        write("boot");

        assertEquals(Map.of(WEB.name(), WEB), loaded("boot"));
    }

    @Test
    void afterAnotherBootNobodyUsesIt() {
        write("boot");

        assertEquals(Set.of(), loaded("next").get(WEB.name()).users());
    }

    @Test
    void whatWasForgottenIsGone() {
        try (Records records = Records.open(directory, "boot")) {
            records.write(WEB);
            records.delete(WEB.name());
            records.delete(WEB.name());
        }

        assertEquals(Map.of(), loaded("boot"));
    }

    @Test
    void aRecordThatWasNotFinishedIsNone() throws Exception {
        write("boot");
        Files.writeString(directory.resolve("web.json.new"), "{\"version\":1,");

        assertEquals(Map.of(WEB.name(), WEB), loaded("boot"));
        assertTrue(Files.notExists(directory.resolve("web.json.new")));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "{",
                "[]",
                "null",
                "{\"version\":2,\"name\":\"bad\",\"options\":\"\",\"created\":\"2026-11-21T16:00:00Z\",\"boot\":\"b\",\"users\":[]}",
                "{\"version\":1,\"name\":\"other\",\"options\":\"\",\"created\":\"2026-11-21T16:00:00Z\",\"boot\":\"b\",\"users\":[]}",
                "{\"version\":1,\"name\":\"../bad\",\"options\":\"\",\"created\":\"2026-11-21T16:00:00Z\",\"boot\":\"b\",\"users\":[]}",
                "{\"version\":1,\"name\":\"bad\",\"options\":\"\",\"created\":\"yesterday\",\"boot\":\"b\",\"users\":[]}",
                "{\"version\":1,\"name\":\"bad\",\"options\":{},\"created\":\"2026-11-21T16:00:00Z\",\"boot\":\"b\",\"users\":[]}",
                "{\"version\":1,\"name\":\"bad\",\"created\":\"2026-11-21T16:00:00Z\",\"boot\":\"b\",\"users\":[]}",
            })
    void whatIsNoRecordIsSetAside_andTheOthersAreThere(String text) throws Exception {
        write("boot");
        Files.writeString(directory.resolve("bad.json"), text);

        assertEquals(Map.of(WEB.name(), WEB), loaded("boot"));
        assertEquals(text, Files.readString(directory.resolve("bad.json.damaged")));
        assertEquals(Map.of(WEB.name(), WEB), loaded("boot"));
    }

    @Test
    void whatCannotBeWrittenIsToldAndLeavesTheOldRecord() throws Exception {
        try (Records records = Records.open(directory, "boot")) {
            records.write(WEB);
            Files.createDirectory(directory.resolve("web.json.new"));

            RuntimeException failure = assertThrows(RuntimeException.class, () -> records.write(WEB.with("d")));

            assertAll(
                    () -> assertTrue(failure.getMessage().contains("volume web"), failure.getMessage()),
                    () -> assertTrue(failure.getMessage().contains("EIO"), failure.getMessage()));
            Files.delete(directory.resolve("web.json.new"));
        }

        assertEquals(Map.of(WEB.name(), WEB), loaded("boot"));
    }

    @Test
    void theDirectoryIsOurs() throws Exception {
        Path deeper = directory.resolve("lib/kexecfs/volumes");
        try (Records records = Records.open(deeper, "boot")) {
            assertEquals(Map.of(), records.load());
            assertEquals("rwx------", PosixFilePermissions.toString(Files.getPosixFilePermissions(deeper)));
            // Of another process it would be EBUSY; of this one the JVM says so.
            assertThrows(OverlappingFileLockException.class, () -> Records.open(deeper, "boot"));
        }
        Records.open(deeper, "boot").close();
    }
}
