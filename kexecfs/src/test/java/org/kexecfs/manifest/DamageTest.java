package org.kexecfs.manifest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.ByteString;
import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.kexecfs.posix.Fd;

/** What a reader does with bytes that no writer wrote. */
class DamageTest {
    private static final List<Change> CHANGES = List.of(
            Changes.file(1),
            Changes.link("a", 1),
            Changes.directory(2),
            Changes.link("dir", 2),
            new Change.Unlink(0, Name.of("a")),
            new Change.Remove(1));
    private static final byte[] HEADER = Raw.header(Read.SESSION, 1, 1);
    private static final byte[] SMALL =
            Raw.log(Stream.concat(Stream.of(HEADER), CHANGES.stream().map(Records::encode))
                    .toArray(byte[][]::new));
    private static final long MEBIBYTE = 1 << 20;

    @Test
    void everyFlippedBitIsNoticedAndWhatIsBeforeItIsRead() {
        for (int bit = 0; bit < 8 * SMALL.length; bit++) {
            try (Read read = Read.of(flipped(bit))) {
                if (isOfAWord(bit / 8)) {
                    assertEquals(Optional.empty(), read.damage(), "the other word says the same");
                    assertEquals(CHANGES, read.changes());
                } else {
                    assertTrue(read.damage().isPresent(), "bit " + bit);
                    assertBeginning(read, bit / 8);
                }
            }
        }
    }

    @Test
    void aFlippedBitInEachWordIsNoticed() {
        for (int one = 8 * 8; one < 8 * 16; one++) {
            for (int other = 8 * 16; other < 8 * 24; other++) {
                byte[] flipped = flipped(one);
                flipped[other / 8] ^= (byte) (1 << other % 8);
                try (Read read = Read.of(flipped)) {
                    assertTrue(read.damage().isPresent());
                    assertEquals(List.of(), read.changes());
                }
            }
        }
    }

    private static byte[] flipped(int bit) {
        byte[] flipped = SMALL.clone();
        flipped[bit / 8] ^= (byte) (1 << bit % 8);
        return flipped;
    }

    private static boolean isOfAWord(int at) {
        return at >= 8 && at < 24;
    }

    @Test
    void behindWhatCountsNoBitMatters() {
        byte[] tail = new byte[64];
        Arrays.fill(tail, (byte) 0xa5);
        try (Read read = Read.of(Raw.concat(SMALL, tail))) {
            assertEquals(Optional.empty(), read.damage());
            assertEquals(CHANGES, read.changes());
        }
    }

    @Test
    void aTruncatedFileIsNoticedAndWhatIsLeftIsRead() {
        for (int length = 0; length < SMALL.length; length++) {
            try (Read read = Read.of(Arrays.copyOf(SMALL, length))) {
                assertTrue(read.damage().isPresent(), "at " + length);
                assertBeginning(read, length);
            }
        }
    }

    @Test
    void aFrameThatGoesPastWhatCountsIsNoticedThoughTheFileHasItAll() {
        List<Integer> ends = ends();
        for (int committed = 24; committed < SMALL.length; committed++) {
            byte[] shorter = SMALL.clone();
            System.arraycopy(Raw.start(committed), 0, shorter, 0, 24);
            try (Read read = Read.of(shorter)) {
                assertEquals(ends.contains(committed), read.damage().isEmpty(), "at " + committed);
                assertBeginning(read, committed);
            }
        }
    }

    /** All changes whose frames end at {@code sound} or before it were read, and no other. */
    private static void assertBeginning(Read read, int sound) {
        int whole = (int) ends().stream().filter(end -> end <= sound).count() - 1;
        assertEquals(CHANGES.subList(0, Math.max(whole, 0)), read.changes());
    }

    /** Where the header ends, and each change. */
    private static List<Integer> ends() {
        List<Integer> ends = new ArrayList<>(List.of(24 + 8 + HEADER.length));
        for (Change change : CHANGES) {
            ends.add(ends.getLast() + 8 + Records.encode(change).length);
        }
        return ends;
    }

    @Property(tries = 20_000)
    void randomBytesAreNoManifest(@ForAll byte[] bytes) {
        try (Read read = Read.of(bytes)) {
            assertTrue(read.damage().isPresent());
        }
    }

    @Property(tries = 20_000)
    void randomRecordsInSoundFramesAreUnderstoodOrNoticed(@ForAll("payloads") byte[] payload) {
        try (Read read = Read.of(Raw.log(HEADER, payload, Records.encode(Changes.file(1))))) {
            assertTrue(read.damage().isPresent() || read.changes().contains(Changes.file(1)));
        }
    }

    @Property(tries = 20_000)
    void aRecordWithOneByteChangedInASoundFrameIsUnderstoodOrNoticed(
            @ForAll("records") byte[] record, @ForAll int at, @ForAll byte value) {
        byte[] changed = record.clone();
        changed[Math.floorMod(at, changed.length)] = value;
        try (Read read = Read.of(Raw.log(HEADER, changed))) {
            read.changes().forEach(change -> Records.encode(change));
        }
    }

    @Property(tries = 5_000)
    void aRandomHeaderIsNoticedOrUnderstood(@ForAll byte[] payload) {
        try (Read read = Read.of(Raw.log(payload.length == 0 ? new byte[1] : payload))) {
            assertTrue(read.damage().isPresent());
        }
    }

    @Provide
    Arbitrary<byte[]> payloads() {
        return Arbitraries.bytes().array(byte[].class).ofMinSize(1).ofMaxSize(64);
    }

    @Provide
    Arbitrary<byte[]> records() {
        return Changes.any().map(Records::encode);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource
    void whatARecordSaysIsChecked(String why, Wire.Change record) {
        assertDamage(why, record.toByteArray());
    }

    static Stream<Arguments> whatARecordSaysIsChecked() {
        return Stream.of(
                Arguments.of("token 0", remove(0)),
                Arguments.of("token 18446744073709551615", remove(-1)),
                Arguments.of("token 4611686018427387905", remove(Bounds.TOKEN + 1)),
                Arguments.of("token 0", link("a", 0)),
                Arguments.of("'a/b' is no name", link("a/b", 1)),
                Arguments.of("'..' is no name", link("..", 1)),
                Arguments.of("'' is no name", link("", 1)),
                Arguments.of("a name of 256 bytes", link("n".repeat(256), 1)),
                Arguments.of("mode 0100644", put(node().setMode(0100644))),
                Arguments.of("nanoseconds", put(node().setAccessedNanoseconds(-1))),
                Arguments.of("nanoseconds", put(node().setModifiedNanoseconds(1_000_000_000))),
                Arguments.of("neither file nor directory", put(node().setKindValue(3))),
                Arguments.of("neither file nor directory", put(node().clearKind())),
                Arguments.of("absent for a reason unknown", put(node().setAbsenceValue(3))),
                Arguments.of("a root that is no directory", put(node().setToken(0))),
                Arguments.of("without a value", put(node().addXattr(bytes("user.a")))),
                Arguments.of("twice", put(node().addXattr(bytes("a\0001")).addXattr(bytes("a\0002")))),
                Arguments.of("attribute's name of 0 bytes", put(node().addXattr(bytes("\0value")))),
                Arguments.of("attribute's name of 256 bytes", put(node().addXattr(bytes("n".repeat(256) + "\0")))),
                Arguments.of("of 65537 bytes", put(node().addXattr(bytes("a\0" + "v".repeat(65537))))),
                Arguments.of(
                        "attributes of",
                        put(node().addXattr(bytes("a\0" + "v".repeat(65000)))
                                .addXattr(bytes("b\0" + "v".repeat(65000)))
                                .addXattr(bytes("c\0" + "v".repeat(65000))))),
                Arguments.of(
                        "fields that this kexecfs does not know",
                        remove(1).toBuilder().setCritical(true).build()));
    }

    @Test
    void unknownFieldsOfAnEntryAreBounded() {
        byte[] unknown = new byte[65_000];
        byte[] field = Raw.concat(new byte[] {15 << 3 | 2}, lengthOf(unknown.length), unknown);
        byte[] node = node().build().toByteArray();
        assertDamage("bytes of unknown fields", put(Raw.concat(node, field, field)));
        try (Read read = Read.of(Raw.log(HEADER, put(Raw.concat(node, field))))) {
            assertEquals(Optional.empty(), read.damage());
        }
    }

    @Test
    void changesThatAreKeptWithoutBeingKnownAreBounded() {
        byte[] half = Raw.concat(new byte[] {6 << 3 | 2, (byte) 0x80, (byte) 0x80, 32}, new byte[512 << 10]);
        try (Read once = Read.of(Raw.log(HEADER, half));
                Read twice = Read.of(Raw.log(HEADER, half, half))) {
            assertEquals(Optional.empty(), once.damage());
            assertTrue(twice.damage().orElseThrow().contains("more than 1048576 bytes"));
        }
    }

    @Test
    void aLengthIsBelievedOnlyOnceItsBytesAreThere() {
        // The commit word says 256 MiB, a frame says 4 GiB less one, a field of a record says 2 GiB.
        assertSmall(Raw.start(Bounds.LOG));
        assertSmall(Raw.start(Bounds.LOG + 1L));
        assertSmall(Raw.start(0xffff_ffffL));
        assertSmall(Raw.concat(Raw.start(1 << 20), new byte[] {-1, -1, -1, -1, 0, 0, 0, 0}));
        assertSmall(Raw.concat(Raw.start(1 << 20), new byte[] {-1, -1, -1, 127, 0, 0, 0, 0}));
        assertSmall(Raw.log(new byte[] {4 << 3 | 2, -1, -1, -1, -1, 7}));
        assertSmall(Raw.log(HEADER, new byte[] {3 << 3 | 2, -1, -1, -1, -1, 7}));
    }

    @Test
    void aSparseFileOfTheWholeBoundIsRefusedAtItsFirstHole() {
        Fd memfd = Raw.memfd(Raw.start(Bounds.LOG));
        memfd.truncate(Bounds.LOG);
        try (Read read = Read.of(memfd)) {
            assertTrue(read.damage().orElseThrow().contains("length of 0 bytes"));
        }
    }

    @Test
    void aFrameOfTheMostEmptyFieldsTakesNoMoreThanAMultipleOfItself() {
        byte[] node = new byte[(1 << 20) - 16];
        for (int i = 0; i < node.length; i += 2) {
            node[i] = 11 << 3 | 2;
        }
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        byte[] log = Raw.log(HEADER, put(node));
        long before = threads.getCurrentThreadAllocatedBytes();
        try (Read read = Read.of(log)) {
            assertTrue(read.damage().isPresent());
        }
        assertTrue(threads.getCurrentThreadAllocatedBytes() - before < 32 * MEBIBYTE);
    }

    @Test
    void groupsWithinGroupsAreRefusedAtTheFirst() {
        byte[] groups = new byte[1 << 20];
        Arrays.fill(groups, (byte) (6 << 3 | 3));
        assertDamage("a field of type 3, which there is not", groups);
    }

    private static void assertSmall(byte[] log) {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long before = threads.getCurrentThreadAllocatedBytes();
        try (Read read = Read.of(log)) {
            assertTrue(read.damage().isPresent());
        }
        long allocated = threads.getCurrentThreadAllocatedBytes() - before;
        assertTrue(allocated < 8 * MEBIBYTE, allocated + " bytes");
    }

    private static void assertDamage(String why, byte[] payload) {
        try (Read read = Read.of(Raw.log(HEADER, Records.encode(Changes.file(1)), payload))) {
            String damage = read.damage().orElse("none");
            assertTrue(damage.contains(why), damage);
            assertFalse(damage.chars().anyMatch(Character::isISOControl), damage);
            assertEquals(Collections.singletonList(Changes.file(1)), read.changes());
        }
    }

    private static Wire.Node.Builder node() {
        return Wire.Node.newBuilder().setToken(7).setKind(Wire.Kind.KIND_FILE);
    }

    private static Wire.Change put(Wire.Node.Builder node) {
        return Wire.Change.newBuilder().setPut(node).build();
    }

    /** A put of a node that is given as bytes. */
    private static byte[] put(byte[] node) {
        return Raw.concat(new byte[] {1 << 3 | 2}, lengthOf(node.length), node);
    }

    private static byte[] lengthOf(int value) {
        return value < 1 << 7
                ? new byte[] {(byte) value}
                : Raw.concat(new byte[] {(byte) (value | 0x80)}, lengthOf(value >>> 7));
    }

    private static Wire.Change remove(long token) {
        return Wire.Change.newBuilder()
                .setRemove(Wire.Remove.newBuilder().setToken(token))
                .build();
    }

    private static Wire.Change link(String name, long token) {
        return Wire.Change.newBuilder()
                .setLink(Wire.Link.newBuilder().setName(bytes(name)).setToken(token))
                .build();
    }

    private static ByteString bytes(String text) {
        return ByteString.copyFromUtf8(text);
    }
}
