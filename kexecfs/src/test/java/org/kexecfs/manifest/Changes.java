package org.kexecfs.manifest;

import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import org.kexecfs.posix.Time;

/** Changes to test with: a few that are written out, and any that there can be. */
final class Changes {
    static final Time NOON = new Time(1_700_000_000, 123_456_789);

    private Changes() {}

    static Change.Put file(long token) {
        return new Change.Put(Node.of(token, Kind.FILE, 1000, 100, 0640, NOON, false));
    }

    static Change.Put directory(long token) {
        return new Change.Put(Node.of(token, Kind.DIRECTORY, 0, 0, 0755, NOON, false));
    }

    static Change.Link link(String name, long token) {
        return new Change.Link(0, Name.of(name), token);
    }

    static List<Change> newFile(long token, String name) {
        return List.of(file(token), link(name, token));
    }

    static Arbitrary<Change> any() {
        return Arbitraries.oneOf(
                nodes().map(Change.Put::new),
                tokens(1).map(Change.Remove::new),
                Combinators.combine(tokens(0), names(), tokens(1)).as(Change.Link::new),
                Combinators.combine(tokens(0), names()).as(Change.Unlink::new),
                Arbitraries.longs().between(1, Long.MAX_VALUE).map(Change.Cycle::new));
    }

    static Arbitrary<Name> names() {
        return bytes(1, Bounds.NAME)
                .map(Changes::withoutSlash)
                .filter(b -> !(b.length == 1 && b[0] == '.') && !(b.length == 2 && b[0] == '.' && b[1] == '.'))
                .map(Name::of);
    }

    private static Arbitrary<Long> tokens(long least) {
        return Arbitraries.oneOf(
                Arbitraries.longs().between(least, 1000), Arbitraries.longs().between(least, Bounds.TOKEN));
    }

    private static Arbitrary<Node> nodes() {
        Arbitrary<Time> times = Combinators.combine(
                        Arbitraries.longs(), Arbitraries.longs().between(0, 999_999_999))
                .as(Time::new);
        Arbitrary<TreeMap<Bytes, Bytes>> xattrs = Arbitraries.maps(
                        bytes(1, Bounds.XATTR_NAME).map(Changes::withoutSlash).map(Bytes::of),
                        bytes(0, 300).map(Bytes::of))
                .ofMaxSize(4)
                .map(map -> new TreeMap<>(map));
        return Combinators.combine(
                        tokens(1),
                        Arbitraries.of(Kind.values()),
                        Arbitraries.integers(),
                        Arbitraries.integers().between(0, 07777),
                        times,
                        times,
                        Combinators.combine(Arbitraries.of(true, false), Arbitraries.of(Absence.values()))
                                .as(Map::entry),
                        Arbitraries.oneOf(Arbitraries.just(new TreeMap<Bytes, Bytes>()), xattrs))
                .as((token, kind, id, mode, accessed, modified, kept, map) -> new Node(
                        token,
                        kind,
                        id,
                        ~id,
                        mode,
                        accessed,
                        modified,
                        kept.getKey(),
                        kept.getValue(),
                        Collections.unmodifiableSortedMap(map),
                        Bytes.EMPTY));
    }

    private static Arbitrary<byte[]> bytes(int least, int most) {
        return Arbitraries.bytes().array(byte[].class).ofMinSize(least).ofMaxSize(most);
    }

    private static byte[] withoutSlash(byte[] bytes) {
        byte[] name = bytes.clone();
        for (int i = 0; i < name.length; i++) {
            if (name[i] == '/' || name[i] == 0) {
                name[i] = '_';
            }
        }
        return name;
    }
}
