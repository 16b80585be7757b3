package org.kexecfs.manifest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import jnr.constants.platform.linux.Errno;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.kexecfs.posix.ErrnoException;

/** A manifest while nothing goes wrong with its bytes. */
class ManifestTest {
    private static final int F_SEAL_GROW = 4;

    @Test
    void aNewManifestIsReadAsNothing() {
        try (Manifest manifest = Manifest.create(Read.SESSION);
                Read read = Read.again(manifest)) {
            assertEquals(List.of(), read.changes());
            assertEquals(Optional.empty(), read.damage());
        }
    }

    @Property(tries = 500)
    void whatIsAppendedIsReadAgainInItsOrder(@ForAll("histories") List<List<Change>> history) {
        try (Manifest manifest = Manifest.create(Read.SESSION)) {
            history.forEach(manifest::append);
            try (Read read = Read.again(manifest)) {
                assertEquals(Optional.empty(), read.damage());
                assertEquals(history.stream().flatMap(List::stream).toList(), read.changes());
            }
        }
    }

    @Property(tries = 200)
    void aCompactedManifestHoldsTheSnapshotAndGoesOn(
            @ForAll("changes") List<Change> before,
            @ForAll("changes") List<Change> snapshot,
            @ForAll("changes") List<Change> after) {
        try (Manifest manifest = Manifest.create(Read.SESSION)) {
            manifest.append(before);
            try (Manifest compacted = manifest.compacted(snapshot.stream())) {
                compacted.append(after);
                try (Read read = Read.again(compacted);
                        Read old = Read.again(manifest)) {
                    assertEquals(
                            Stream.concat(snapshot.stream(), after.stream()).toList(), read.changes());
                    assertEquals(before, old.changes());
                }
            }
        }
    }

    @Provide
    Arbitrary<List<Change>> changes() {
        return Changes.any().list().ofMaxSize(8);
    }

    @Provide
    Arbitrary<List<List<Change>>> histories() {
        return changes().list().ofMaxSize(6);
    }

    @Test
    void anEntryWithTheMostAttributesFits() {
        Node node = Node.of(1, Kind.FILE, 0, 0, 0, Changes.NOON, true);
        for (int i = 0; i < 30_000; i++) {
            node = i < 200 ? node.withXattr(Bytes.of("" + i), Bytes.of(new byte[600])) : node;
        }
        try (Manifest manifest = Manifest.create(Read.SESSION)) {
            manifest.append(List.of(new Change.Put(node)));
            try (Read read = Read.again(manifest)) {
                assertEquals(List.of(new Change.Put(node)), read.changes());
            }
        }
    }

    @Test
    void tenThousandEntriesAreRead() {
        List<Change> entries = LongStream.rangeClosed(1, 10_000)
                .boxed()
                .flatMap(token -> Changes.newFile(token, "file" + token).stream())
                .toList();
        try (Manifest manifest = Manifest.create(Read.SESSION)) {
            entries.forEach(entry -> manifest.append(List.of(entry)));
            try (Read read = Read.again(manifest);
                    Manifest compacted = manifest.compacted(entries.stream());
                    Read again = Read.again(compacted)) {
                assertEquals(entries, read.changes());
                assertEquals(entries, again.changes());
                assertEquals(10_001, read.manifest().allocateToken());
            }
        }
    }

    @Test
    void anAppendCostsAsMuchAsItsChange() {
        assertEquals(bytesWrittenForOneMore(10), bytesWrittenForOneMore(5_000));
    }

    private static long bytesWrittenForOneMore(int entries) {
        Recorder memory = new Recorder();
        try (Manifest manifest = memory.begin()) {
            for (int token = 1; token <= entries; token++) {
                manifest.append(Changes.newFile(1_000_000 + token, "a"));
            }
            memory.writes().clear();
            manifest.append(Changes.newFile(1_100_000, "a"));
            return memory.writes().stream().mapToLong(w -> w.bytes().length).sum();
        }
    }

    @Test
    void noTokenIsEverUsedAgain() {
        try (Manifest manifest = Manifest.create(Read.SESSION)) {
            for (long token = 1; token <= 5; token++) {
                assertEquals(token, manifest.allocateToken());
                manifest.append(Changes.newFile(token, "a"));
            }
            for (long token = 1; token <= 5; token++) {
                manifest.append(List.of(new Change.Remove(token)));
            }
            try (Read afterCrash = Read.again(manifest);
                    Manifest compacted = manifest.compacted(Stream.empty());
                    Read afterCompaction = Read.again(compacted);
                    Manifest twice = afterCompaction.manifest().compacted(Stream.empty());
                    Read afterBoth = Read.again(twice)) {
                assertEquals(6, afterCrash.manifest().allocateToken());
                assertEquals(6, compacted.allocateToken());
                assertEquals(6, afterBoth.manifest().allocateToken());
                assertEquals(7, afterBoth.manifest().allocateToken());
            }
        }
    }

    @Test
    void aTokenThatWasGivenOutCountsInACompactedManifestTooBeforeItIsRecorded() {
        try (Manifest manifest = Manifest.create(Read.SESSION)) {
            manifest.allocateToken();
            try (Manifest compacted = manifest.compacted(Stream.empty());
                    Read read = Read.again(compacted)) {
                assertEquals(2, read.manifest().allocateToken());
            }
        }
    }

    @Test
    void theLastTokenIsTheLast() {
        try (Manifest manifest = Manifest.create(Read.SESSION)) {
            manifest.append(List.of(Changes.file(Bounds.TOKEN)));
            try (Manifest compacted = manifest.compacted(Stream.empty());
                    Read read = Read.again(compacted)) {
                assertEquals(Optional.empty(), read.damage());
                refused(Errno.ENOSPC, read.manifest()::allocateToken);
            }
        }
    }

    @Test
    void compactingPaysOnceTheLogIsTwiceTheStateThatItBeganWith() {
        try (Manifest manifest = Manifest.create(Read.SESSION)) {
            assertFalse(manifest.worthCompacting());
            List<Change> state = new ArrayList<>();
            for (long token = 1; !manifest.worthCompacting(); token++) {
                List<Change> file = Changes.newFile(token, "file" + token);
                manifest.append(file);
                state.addAll(file);
            }
            try (Manifest compacted = manifest.compacted(state.stream())) {
                assertFalse(compacted.worthCompacting());
                int appends = 0;
                for (; !compacted.worthCompacting(); appends++) {
                    compacted.append(List.of(state.getFirst()));
                }
                assertTrue(appends > state.size() / 4, "after " + appends + " appends to " + state.size());
            }
        }
    }

    @Test
    void withinReservedRoomALogOfFrozenSizeGrowsAndBehindItNothingHappens() {
        try (Manifest manifest = Manifest.create(Read.SESSION)) {
            manifest.reserve(1000);
            manifest.memfd().addSeals(F_SEAL_GROW);
            List<Change> recorded = new ArrayList<>();
            long token = 1;
            ErrnoException full = null;
            while (full == null) {
                List<Change> file = Changes.newFile(token, "file" + token);
                try {
                    manifest.append(file);
                    recorded.addAll(file);
                    token++;
                } catch (ErrnoException e) {
                    full = e;
                }
            }
            assertTrue(full.is(Errno.EPERM), full::getMessage);
            assertTrue(recorded.size() > 10, "fitted: " + recorded.size());
            refused(Errno.EPERM, () -> manifest.reserve(1000));
            Change small = new Change.Remove(1);
            try (Read read = Read.again(manifest)) {
                assertEquals(recorded, read.changes());
                assertEquals(Optional.empty(), read.damage());
            }
            manifest.append(List.of(small));
            recorded.add(small);
            try (Read read = Read.again(manifest)) {
                assertEquals(recorded, read.changes());
            }
        }
    }

    @Test
    void aLogHasItsBoundAndTellsToCompact() {
        try (Manifest manifest = Manifest.create(Read.SESSION)) {
            refused(Errno.ENOSPC, () -> manifest.reserve(Bounds.LOG));
            manifest.reserve(Bounds.LOG - 1000);
        }
        Recorder memory = new Recorder();
        try (Manifest manifest = memory.begin()) {
            Log full = new Log(manifest.memfd(), memory, Bounds.LOG - 10);
            memory.writes().clear();
            refused(Errno.ENOSPC, () -> full.append(new Frames().add(new byte[3])));
            assertTrue(memory.writes().stream().allMatch(write -> write.offset() < 24), "no frame was written");
            full.append(new Frames().add(new byte[2]));
        }
    }

    @Test
    void aManifestIsOfOneSession() {
        try (Manifest manifest = Manifest.create("other");
                Read read = Read.again(manifest)) {
            assertEquals(
                    "manifest of session 'vm1', record at byte 24: it is the manifest of session 'other'",
                    read.damage().orElseThrow());
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"", ".", "..", "a/b", "a\0", "ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss"})
    void whatIsNoSessionsNameIsRefused(String session) {
        refused(Errno.EINVAL, () -> Manifest.create(session));
    }

    @Test
    void aNameOf63BytesInAnyScriptIsASessions() {
        String session = "é".repeat(31) + "s";
        try (Manifest manifest = Manifest.create(session)) {
            assertEquals(
                    Optional.empty(),
                    Manifest.read(manifest.memfd().dup(), session, _ -> {}).damage());
        }
    }

    @Test
    void theMemfdIsNamedAfterTheSessionAndClosedWithTheManifest() throws Exception {
        Manifest manifest = Manifest.create(Read.SESSION);
        int number = manifest.memfd().number();
        assertEquals(
                "/memfd:kexecfs:vm1 (deleted)",
                java.nio.file.Files.readSymbolicLink(java.nio.file.Path.of("/proc/self/fd/" + number))
                        .toString());
        manifest.close();
        refused(Errno.EBADF, manifest.memfd()::number);
    }

    @Test
    void whoeverAppliesAChangeMayFindThatItDoesNotFit() {
        try (Manifest manifest = Manifest.create(Read.SESSION)) {
            manifest.append(List.of(Changes.file(1), Changes.link("a", 2), Changes.file(3)));
            List<Change> applied = new ArrayList<>();
            Manifest.Recovered recovered = Manifest.read(manifest.memfd().dup(), Read.SESSION, change -> {
                if (change instanceof Change.Link) {
                    throw new BrokenChange("'a' is a link to entry 2, which is not there");
                }
                applied.add(change);
            });
            try (Manifest damaged = recovered.manifest()) {
                assertEquals(List.of(Changes.file(1)), applied);
                String damage = recovered.damage().orElseThrow();
                assertTrue(damage.endsWith("it does not fit: 'a' is a link to entry 2, which is not there"), damage);
                refused(Errno.EIO, () -> damaged.append(List.of(Changes.file(4))));
            }
        }
    }

    @Test
    void whatTheCallerThrowsOtherwiseIsItsOwnAndClosesTheFile() {
        try (Manifest manifest = Manifest.create(Read.SESSION)) {
            manifest.append(Changes.newFile(1, "a"));
            var memfd = manifest.memfd().dup();
            assertThrows(
                    IllegalStateException.class,
                    () -> Manifest.read(memfd, Read.SESSION, _ -> {
                        throw new IllegalStateException("mine");
                    }));
            refused(Errno.EBADF, memfd::number);
        }
    }

    @Test
    void compactingADamagedManifestGivesASoundOne() {
        byte[] broken = Raw.log(Raw.header(Read.SESSION, 1, 1), Records.encode(Changes.file(7)), new byte[] {1});
        try (Read read = Read.of(broken);
                Manifest sound = read.manifest().compacted(read.changes().stream());
                Read again = Read.again(sound)) {
            assertNotEquals(Optional.empty(), read.damage());
            assertEquals(Optional.empty(), again.damage());
            assertEquals(List.of(Changes.file(7)), again.changes());
            assertEquals(8, sound.allocateToken());
        }
    }

    private static void refused(Errno errno, org.junit.jupiter.api.function.Executable what) {
        ErrnoException e = assertThrows(ErrnoException.class, what);
        assertTrue(e.is(errno), e::getMessage);
    }

    @Test
    void aManifestIsOfAHigherGenerationThanTheOneThatItTakesThePlaceOf() {
        try (Manifest first = Manifest.create(Read.SESSION);
                Manifest second = first.compacted(Stream.empty());
                Manifest third = second.compacted(Stream.empty());
                Read again = Read.again(third)) {
            assertEquals(0, first.generation());
            assertEquals(2, again.manifest().generation());
        }
    }

    @Test
    void whatFitsIntoItsRoomDoesNotMakeTheFileLonger() {
        try (Manifest manifest = Manifest.create(Read.SESSION)) {
            List<Change> changes = List.of(Changes.file(1), Changes.link("a", 1));
            manifest.reserve(Manifest.sizeOf(changes));
            long size = manifest.memfd().status().size();

            manifest.append(changes);

            assertEquals(0, manifest.room());
            assertEquals(size, manifest.memfd().status().size());
            assertEquals(size, manifest.length());
        }
    }
}
