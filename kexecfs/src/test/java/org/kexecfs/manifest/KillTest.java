package org.kexecfs.manifest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.BiConsumer;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;
import org.kexecfs.posix.Fd;

/** A kill, before, between and at any byte within the writes to a manifest: every file that it can leave is tried. */
class KillTest {
    private static final List<List<Change>> HISTORY = List.of(
            Changes.newFile(1, "a"),
            List.of(Changes.directory(2), Changes.link("dir", 2), new Change.Link(2, Name.of("b"), 1)),
            List.of(new Change.Unlink(0, Name.of("a"))),
            List.of(new Change.Put(Node.of(1, Kind.FILE, 0, 0, 0600, Changes.NOON, false)
                    .withXattr(Bytes.of("user.comment"), Bytes.of("value")))),
            List.of(new Change.Remove(1)));
    private static final List<Change> MORE = List.of(Changes.file(3));

    @Test
    void leavesAllOfAnAppendOrNone() {
        everyKill(HISTORY, KillTest::goesOn);
    }

    @Property(tries = 100)
    void leavesAllOfAnyAppendOrNone(@ForAll("histories") List<List<Change>> history) {
        everyKill(history, KillTest::goesOn);
    }

    @Test
    void leavesThatAgainIfItComesTwice() {
        everyKill(HISTORY.subList(0, 3), KillTest::everyKillOfOneMore);
    }

    @Provide
    Arbitrary<List<List<Change>>> histories() {
        return Changes.any().list().ofMinSize(1).ofMaxSize(3).list().ofMaxSize(3);
    }

    @Test
    void leavesNoManifestOrAnEmptyOneWhileItIsMade() {
        Recorder memory = new Recorder();
        try (Manifest _ = memory.begin(Changes.file(1))) {
            everyFile(Raw.memfd(new byte[0]), memory.writes(), (committed, memfd) -> {
                try (Read read = Read.of(memfd)) {
                    assertEquals(committed, read.damage().isEmpty());
                    assertEquals(committed ? List.of(Changes.file(1)) : List.of(), read.changes());
                }
            });
        }
    }

    /** Whatever a kill during one of these appends leaves is handed on, with what it must be read as. */
    private static void everyKill(List<List<Change>> history, BiConsumer<List<Change>, Fd> left) {
        Recorder memory = new Recorder();
        List<Change> known = new ArrayList<>();
        try (Manifest manifest = memory.begin()) {
            for (List<Change> append : history) {
                Fd before = Raw.memfd(Raw.bytes(manifest.memfd()));
                memory.writes().clear();
                manifest.append(append);
                everyKill(known, append, before, memory.writes(), left);
                known.addAll(append);
            }
        }
    }

    private static void everyKill(
            List<Change> known,
            List<Change> append,
            Fd before,
            List<Recorder.Write> writes,
            BiConsumer<List<Change>, Fd> left) {
        List<Change> all = new ArrayList<>(known);
        all.addAll(append);
        everyFile(before, writes, (committed, memfd) -> left.accept(committed ? all : known, memfd));
    }

    /** What was left is read as expected, and takes another append. */
    private static void goesOn(List<Change> expected, Fd left) {
        try (Read read = Read.of(left)) {
            assertEquals(Optional.empty(), read.damage());
            assertEquals(expected, read.changes());
            read.manifest().append(MORE);
            try (Read again = Read.again(read.manifest())) {
                List<Change> all = new ArrayList<>(expected);
                all.addAll(MORE);
                assertEquals(Optional.empty(), again.damage());
                assertEquals(all, again.changes());
            }
        }
    }

    /** What was left takes another append, and that one is killed as well. */
    private static void everyKillOfOneMore(List<Change> expected, Fd left) {
        Fd before = Raw.memfd(Raw.bytes(left));
        Recorder memory = new Recorder(left);
        try (Manifest manifest = memory.read()) {
            manifest.append(MORE);
            everyKill(expected, MORE, before, memory.writes(), (twice, memfd) -> {
                try (Read read = Read.of(memfd)) {
                    assertEquals(Optional.empty(), read.damage());
                    assertEquals(twice, read.changes());
                }
            });
        }
    }

    /**
     * The files that a kill during {@code writes} to {@code before} leaves, each with whether the append counts: it
     * does once the whole of the first commit word that takes it in is there.
     */
    private static void everyFile(Fd before, List<Recorder.Write> writes, BiConsumer<Boolean, Fd> each) {
        byte[] start = Raw.bytes(before);
        before.close();
        byte[] end = start;
        for (Recorder.Write write : writes) {
            end = written(end, write, write.bytes().length);
        }
        byte[] word = Arrays.copyOfRange(end, 8, 16);
        byte[] bytes = start;
        for (Recorder.Write write : writes) {
            for (int cut = 0; cut <= write.bytes().length; cut++) {
                byte[] left = written(bytes, write, cut);
                boolean committed = left.length >= 16 && Arrays.equals(left, 8, 16, word, 0, 8);
                each.accept(committed, Raw.memfd(left));
            }
            bytes = written(bytes, write, write.bytes().length);
        }
        assertTrue(Arrays.equals(end, bytes));
    }

    private static byte[] written(byte[] file, Recorder.Write write, int cut) {
        byte[] written = Arrays.copyOf(file, Math.max(file.length, (int) write.offset() + cut));
        System.arraycopy(write.bytes(), 0, written, (int) write.offset(), cut);
        return written;
    }
}
