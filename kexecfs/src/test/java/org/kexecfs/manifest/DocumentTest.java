package org.kexecfs.manifest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.kexecfs.posix.Time;

/** doc/manifest.md says what is so. */
class DocumentTest {
    private static final int LINE = 16;
    private static final List<Change> EXAMPLE = List.of(
            new Change.Put(Node.of(1, Kind.FILE, 1000, 100, 0640, new Time(1_700_000_000, 500_000_000), false)
                    .withXattr(Bytes.of("user.note"), Bytes.of("hi"))),
            new Change.Link(0, Name.of("ram0"), 1));

    private String document;

    @BeforeEach
    void read() throws IOException {
        document = Files.readString(Path.of("doc/manifest.md"));
    }

    @Test
    void itsExampleIsWhatIsWritten() {
        Recorder memory = new Recorder();
        Header header = new Header(1, 1, Bytes.of("kexecfs 1.0"), Bytes.of(Read.SESSION), 1, 0, Bytes.EMPTY);
        try (Manifest manifest = memory.begin(header)) {
            manifest.append(EXAMPLE);
            assertEquals(dump(Raw.bytes(manifest.memfd())), example());
        }
    }

    @Test
    void itsExampleIsRead() {
        String hex = example()
                .lines()
                .filter(line -> line.length() > 10)
                .map(line -> line.substring(10, 58))
                .collect(Collectors.joining());
        try (Read read = Read.of(HexFormat.of().parseHex(hex.replace(" ", "")))) {
            assertEquals(Optional.empty(), read.damage());
            assertEquals(EXAMPLE, read.changes());
        }
    }

    @ParameterizedTest
    @CsvSource({
        "the whole log, " + Bounds.LOG,
        "a payload, " + Bounds.FRAME,
        "a session's name, " + Bounds.SESSION,
        "an entry's name, " + Bounds.NAME,
        "an attribute's name, " + Bounds.XATTR_NAME,
        "an attribute's value, " + Bounds.XATTR_VALUE,
        "all attributes of an entry, " + Bounds.XATTRS,
        "unknown fields of an entry, " + Bounds.UNKNOWN_FIELDS,
        "unknown changes of a log, " + Bounds.UNKNOWN_CHANGES,
        "entries, " + Bounds.NODES,
        "a token, " + Bounds.TOKEN,
    })
    void itsBoundsAreTheOnesThatHold(String what, long bound) {
        assertTrue(document.contains("| " + what + " | " + String.format(Locale.ROOT, "%,d", bound) + " |"), what);
    }

    @Test
    void itsChecksumIsTheOneThatIsUsed() {
        assertTrue(document.contains("`123456789` is `e3069283`"));
        assertEquals(
                0xe3069283,
                Crc.of(java.nio.ByteBuffer.wrap(Bytes.of("123456789").toArray())));
    }

    private String example() {
        return Pattern.compile("```hexdump\n(.*?)```", Pattern.DOTALL)
                .matcher(document)
                .results()
                .map((MatchResult block) -> block.group(1))
                .findFirst()
                .orElseThrow();
    }

    /** As {@code hexdump -C} prints it. */
    private static String dump(byte[] bytes) {
        StringBuilder dump = new StringBuilder();
        for (int at = 0; at < bytes.length; at += LINE) {
            int line = at;
            int end = Math.min(at + LINE, bytes.length);
            String hex = IntStream.range(line, end)
                    .mapToObj(i -> (i == line + LINE / 2 ? " " : "") + String.format("%02x ", bytes[i]))
                    .collect(Collectors.joining());
            String text = IntStream.range(line, end)
                    .mapToObj(i -> bytes[i] >= ' ' && bytes[i] < 127 ? Character.toString(bytes[i]) : ".")
                    .collect(Collectors.joining());
            dump.append(String.format("%08x  %-49s |%s|%n", at, hex, text));
        }
        return dump.append(String.format("%08x%n", bytes.length)).toString();
    }
}
