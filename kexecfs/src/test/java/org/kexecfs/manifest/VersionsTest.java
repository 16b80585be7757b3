package org.kexecfs.manifest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import jnr.constants.platform.linux.Errno;
import org.junit.jupiter.api.Test;
import org.kexecfs.posix.ErrnoException;

/** Two builds of kexecfs, one on each side of a kexec: this one, and one that is newer. */
class VersionsTest {
    private static final byte[] NEW_FIELD = Raw.field(15, "of a newer kexecfs");
    private static final byte[] NEW_KIND = Raw.field(6, "a change that is not known here");
    private static final byte[] CRITICAL = {15 << 3, 1};
    private static final byte[] HEADER = Raw.header(Read.SESSION, 1, 1);

    @Test
    void aNewerFormatThatSaysThatWeMayReadItIsRead() {
        try (Read read = Read.of(Raw.log(Raw.header(Read.SESSION, 2, 1), Records.encode(Changes.file(1))))) {
            assertEquals(Optional.empty(), read.damage());
            assertEquals(List.of(Changes.file(1)), read.changes());
            read.manifest().append(List.of(new Change.Remove(1)));
            try (Manifest compacted = read.manifest().compacted(Stream.empty())) {
                assertEquals(1, header(compacted).getFormat(), "what this build writes is of its own format");
            }
        }
    }

    @Test
    void aFormatThatTakesANewerReaderIsNotGuessedAt() {
        try (Read read = Read.of(Raw.log(Raw.header(Read.SESSION, 3, 2), Records.encode(Changes.file(1))))) {
            assertEquals(
                    "manifest of session 'vm1', record at byte 24: 'kexecfs 9.8' wrote it in format 3, which takes a"
                            + " reader of format 2, and this is kexecfs (unpackaged), which reads up to 1: mount the"
                            + " session with the kexecfs that wrote it or a newer one, or have it write format 1"
                            + " before the next kexec",
                    read.damage().orElseThrow());
            assertEquals(List.of(), read.changes());
            assertThrows(ErrnoException.class, () -> read.manifest().append(List.of()));
        }
    }

    @Test
    void aHeaderWithoutAFormatIsDamage() {
        for (byte[] header : List.of(
                Raw.header(Read.SESSION, 0, 0),
                Raw.header(Read.SESSION, 1, 0),
                Raw.header(Read.SESSION, 1, 2),
                Raw.header(Read.SESSION, 1, -1))) {
            try (Read read = Read.of(Raw.log(header))) {
                assertTrue(read.damage().orElseThrow().contains("it names no format"));
            }
        }
    }

    @Test
    void aBuildWritesTheFormatsThatItKnowsAndSaysWhich() {
        assertEquals(Format.V1, Format.of(1));
        ErrnoException e = assertThrows(ErrnoException.class, () -> Format.of(2));
        assertTrue(e.is(Errno.EINVAL));
        try (Manifest manifest = Manifest.create(Read.SESSION, Format.V1)) {
            assertEquals(1, header(manifest).getFormat());
            assertEquals(1, header(manifest).getOldestReader());
            assertEquals("kexecfs (unpackaged)", header(manifest).getWriter());
        }
    }

    @Test
    void fieldsOfAnEntryThatAreNotKnownStayWithIt() {
        byte[] node = Raw.concat(fileOne(), NEW_FIELD);
        byte[] put = Raw.concat(new byte[] {1 << 3 | 2, (byte) node.length}, node);
        try (Read read = Read.of(Raw.log(HEADER, put))) {
            Node known = ((Change.Put) read.changes().getFirst()).node();
            assertEquals(Bytes.of(NEW_FIELD), known.unknown());
            Change changed = new Change.Put(known.withMode(0400).withXattr(Bytes.of("user.a"), Bytes.of("b")));
            read.manifest().append(List.of(changed));
            assertTrue(Raw.contains(payloads(read.manifest()).getLast(), NEW_FIELD));
            try (Manifest compacted = read.manifest().compacted(Stream.of(changed));
                    Read again = Read.again(compacted)) {
                assertTrue(Raw.contains(payloads(compacted).getLast(), NEW_FIELD));
                assertEquals(List.of(changed), again.changes());
            }
        }
    }

    @Test
    void changesOfKindsThatAreNotKnownStayInTheLog() {
        try (Read read = Read.of(Raw.log(HEADER, NEW_KIND, Records.encode(Changes.file(1)), NEW_KIND))) {
            assertEquals(Optional.empty(), read.damage());
            assertEquals(List.of(Changes.file(1)), read.changes());
            try (Manifest compacted = read.manifest().compacted(read.changes().stream());
                    Read again = Read.again(compacted);
                    Manifest twice = again.manifest().compacted(again.changes().stream())) {
                List<byte[]> payloads = payloads(twice);
                assertEquals(4, payloads.size());
                assertEquals(Bytes.of(NEW_KIND), Bytes.of(payloads.get(1)));
                assertEquals(Bytes.of(NEW_KIND), Bytes.of(payloads.get(2)));
            }
        }
    }

    @Test
    void aCriticalChangeOfAKindThatIsNotKnownIsNotPassedOver() {
        try (Read read = Read.of(
                Raw.log(HEADER, Records.encode(Changes.file(1)), Raw.concat(NEW_KIND, CRITICAL), new byte[] {1}))) {
            assertEquals(List.of(Changes.file(1)), read.changes());
            String damage = read.damage().orElseThrow();
            assertTrue(damage.contains("that only a newer kexecfs knows"), damage);
        }
    }

    @Test
    void fieldsOfTheHeaderThatAreNotKnownStayInIt() {
        try (Read read = Read.of(Raw.log(Raw.concat(HEADER, NEW_FIELD)));
                Manifest compacted = read.manifest().compacted(Stream.empty())) {
            assertEquals(Optional.empty(), read.damage());
            assertTrue(Raw.contains(payloads(compacted).getFirst(), NEW_FIELD));
        }
    }

    @Test
    void whatIsClosedToNewFieldsIsNotUnderstoodWithOne() {
        byte[] link = {3 << 3 | 2, 7, 1 << 4 | 2, 1, 'a', 3 << 3, 1, 4 << 3, 1};
        assertNotUnderstood(link);
        assertNotUnderstood(Raw.concat(Records.encode(Changes.file(1)), NEW_KIND));
        assertNotUnderstood(Raw.concat(Records.encode(Changes.file(1)), Records.encode(new Change.Remove(1))));
        assertNotUnderstood(Raw.concat(Records.encode(new Change.Remove(1)), NEW_KIND));
    }

    private static void assertNotUnderstood(byte[] payload) {
        try (Read read = Read.of(Raw.log(HEADER, payload))) {
            String damage = read.damage().orElse("none");
            assertTrue(damage.contains("fields that this kexecfs does not know"), damage);
        }
    }

    private static byte[] fileOne() {
        try {
            return Wire.Change.parseFrom(Records.encode(Changes.file(1)))
                    .getPut()
                    .toByteArray();
        } catch (com.google.protobuf.InvalidProtocolBufferException e) {
            throw new AssertionError(e);
        }
    }

    private static Wire.Header header(Manifest manifest) {
        try {
            return Wire.Header.parseFrom(payloads(manifest).getFirst());
        } catch (com.google.protobuf.InvalidProtocolBufferException e) {
            throw new AssertionError(e);
        }
    }

    private static List<byte[]> payloads(Manifest manifest) {
        return Raw.payloads(Raw.bytes(manifest.memfd()));
    }
}
