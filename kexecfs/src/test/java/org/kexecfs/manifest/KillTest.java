package org.kexecfs.manifest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;
import org.kexecfs.posix.Fd;

/**
 * A kill, at any write, and within any write but the commit word's: 8 bytes at a multiple of 8, which nothing can split. Every file
 * that it can leave is tried.
 */
class KillTest {
    private static final List<List<Change>> HISTORY = List.of(
            Changes.newFile(1, "a"),
            List.of(Changes.directory(2), Changes.link("dir", 2), new Change.Link(2, Name.of("b"), 1)),
            List.of(new Change.Unlink(0, Name.of("a"))),
            List.of(new Change.Put(Node.of(1, Kind.FILE, 0, 0, 0600, Changes.NOON, false)
                    .withXattr(Bytes.of("user.comment"), Bytes.of("value")))),
            List.of(new Change.Remove(1)));

    @Test
    void leavesAllOfAnAppendOrNone() {
        everyKill(HISTORY);
    }

    @Property(tries = 30)
    void leavesAllOfAnyAppendOrNone(@ForAll("histories") List<List<Change>> history) {
        everyKill(history);
    }

    @Provide
    Arbitrary<List<List<Change>>> histories() {
        return Changes.any().list().ofMaxSize(3).list().ofMaxSize(3);
    }

    private static void everyKill(List<List<Change>> history) {
        Recorder memory = new Recorder();
        List<Change> known = new ArrayList<>();
        try (Manifest manifest = memory.begin()) {
            int created = memory.writes().size();
            for (int killed = 0; killed < created; killed++) {
                beforeItWasThere(memory, killed);
            }
            for (List<Change> append : history) {
                int before = memory.writes().size();
                manifest.append(append);
                List<Recorder.Write> writes =
                        memory.writes().subList(before, memory.writes().size());
                assertEquals(2, writes.size(), "the frames, then the word");
                assertEquals(8, writes.getLast().offset());
                assertEquals(8, writes.getLast().bytes().length);
                for (int cut = 0; cut <= writes.getFirst().bytes().length; cut++) {
                    leaves(known, memory, before, cut);
                }
                known.addAll(append);
                leaves(known, memory, before + 2, 0);
            }
        }
    }

    /** With the writes before {@code whole}, and {@code cut} bytes of that one, {@code expected} is read, and it goes on from there. */
    private static void leaves(List<Change> expected, Recorder memory, int whole, int cut) {
        try (Read read = Read.of(replay(memory, whole, cut))) {
            assertEquals(Optional.empty(), read.damage());
            assertEquals(expected, read.changes());
            List<Change> more = Changes.newFile(1, "after the crash");
            read.manifest().append(more);
            try (Read again = Read.again(read.manifest())) {
                List<Change> all = new ArrayList<>(expected);
                all.addAll(more);
                assertEquals(Optional.empty(), again.damage());
                assertEquals(all, again.changes());
            }
        }
    }

    /** A kill while a manifest is made (or a compacted one: the old one is whole until then) leaves what is told to be none. */
    private static void beforeItWasThere(Recorder memory, int killed) {
        for (int cut = 0; cut < memory.writes().get(killed).bytes().length; cut++) {
            try (Read read = Read.of(replay(memory, killed, cut))) {
                assertEquals(List.of(), read.changes());
                assertTrue(
                        read.damage().isPresent() || killed == memory.writes().size() - 1);
            }
        }
    }

    @Test
    void evenAWordThatWasSplitIsNoticed() {
        Recorder memory = new Recorder();
        try (Manifest manifest = memory.begin()) {
            manifest.append(HISTORY.getFirst());
            manifest.append(HISTORY.get(1));
            int word = memory.writes().size() - 1;
            byte[] before = Raw.bytes(replay(memory, word, 0));
            byte[] after = Raw.bytes(replay(memory, word + 1, 0));
            for (int cut = 0; cut <= 8; cut++) {
                byte[] torn = Raw.bytes(replay(memory, word, cut));
                try (Read read = Read.of(torn)) {
                    boolean whole = Arrays.equals(torn, before) || Arrays.equals(torn, after);
                    assertEquals(whole, read.damage().isEmpty(), "after " + cut + " bytes of the word");
                }
            }
        }
    }

    private static Fd replay(Recorder memory, int whole, int cut) {
        Fd memfd = Fd.memfd("kexecfs:replayed");
        memory.writes().stream().limit(whole).forEach(w -> memfd.pwrite(w.bytes(), w.offset()));
        if (cut > 0) {
            Recorder.Write last = memory.writes().get(whole);
            memfd.pwrite(Arrays.copyOf(last.bytes(), cut), last.offset());
        }
        return memfd;
    }
}
