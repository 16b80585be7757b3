package org.kexecfs.tool;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.UserDefinedFileAttributeView;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;

/**
 * What a tree of files holds, or ought to hold: names, and what they lead to. Immutable. What kexecfs adds of its own does not
 * count.
 *
 * @param names by path, relative to the tree's root, which is the empty path: the number of an inode
 * @param inodes by number; numbers tell names of one file from those of another, and mean nothing else
 */
record Contents(SortedMap<String, Long> names, Map<Long, Inode> inodes) {
    private static final String OURS = "kexecfs.";

    /**
     * A file or a directory.
     *
     * @param bytes what is in it, each byte a char; null for a directory
     * @param modified when it was modified last, as far as that is known
     * @param attributes its user.* extended attributes
     */
    record Inode(String bytes, int mode, int uid, int gid, Span modified, Map<String, String> attributes) {
        static Inode file(int mode, Span modified) {
            return new Inode("", mode, 0, 0, modified, Map.of());
        }

        static Inode directory(int mode, Span modified) {
            return new Inode(null, mode, 0, 0, modified, Map.of());
        }

        boolean isDirectory() {
            return bytes == null;
        }

        Inode with(String otherBytes, Span otherModified) {
            return new Inode(otherBytes, mode, uid, gid, otherModified, attributes);
        }

        Inode with(Span other) {
            return with(bytes, other);
        }

        Inode withMode(int other) {
            return new Inode(bytes, other, uid, gid, modified, attributes);
        }

        Inode withOwner(int otherUid, int otherGid) {
            return new Inode(bytes, mode, otherUid, otherGid, modified, attributes);
        }

        Inode withAttribute(String name, String value) {
            Map<String, String> others = new TreeMap<>(attributes);
            others.put(name, value);
            return new Inode(bytes, mode, uid, gid, modified, others);
        }

        Inode withoutAttribute(String name) {
            Map<String, String> others = new TreeMap<>(attributes);
            others.remove(name);
            return new Inode(bytes, mode, uid, gid, modified, others);
        }
    }

    /** A time between two. */
    record Span(Instant from, Instant to) {
        static Span exactly(Instant time) {
            return new Span(time, time);
        }

        /** Not before a time, by the kernel's clock for files, which is behind by up to a tick. */
        static Span since(Instant time) {
            return new Span(time.minusMillis(20), Instant.MAX);
        }

        boolean isExact() {
            return from.equals(to);
        }

        boolean contains(Span other) {
            return !from.isAfter(other.from) && !other.to.isAfter(to);
        }

        @Override
        public String toString() {
            return isExact() ? from.toString() : from + " to " + to;
        }
    }

    /** What is there. */
    static Contents of(Path root) {
        SortedMap<String, Long> names = new TreeMap<>();
        Map<Long, Inode> inodes = new HashMap<>();
        Map<Long, Integer> links = new HashMap<>();
        try (Stream<Path> all = Files.find(root, 9, (path, attributes) -> !isOurs(root, path))) {
            all.forEach(path -> {
                try {
                    Map<String, Object> stat = Files.readAttributes(path, "unix:*", LinkOption.NOFOLLOW_LINKS);
                    Long number = (Long) stat.get("ino");
                    names.put(root.relativize(path).toString(), number);
                    links.put(number, (Integer) stat.get("nlink"));
                    inodes.put(number, inode(path, stat));
                } catch (IOException e) {
                    throw new UncheckedIOException(path + " cannot be read", e);
                }
            });
        } catch (IOException e) {
            throw new UncheckedIOException(root + " cannot be read", e);
        }
        names.forEach((name, number) -> {
            long namesOfIt = Collections.frequency(names.values(), number);
            if (!inodes.get(number).isDirectory() && namesOfIt != links.get(number)) {
                throw new AssertionError(
                        name + " has " + namesOfIt + " names, and its number of links is " + links.get(number));
            }
        });
        return new Contents(names, inodes);
    }

    private static boolean isOurs(Path root, Path path) {
        return root.relativize(path).toString().startsWith(OURS);
    }

    private static Inode inode(Path path, Map<String, Object> stat) throws IOException {
        boolean directory = (boolean) stat.get("isDirectory");
        return new Inode(
                directory ? null : Files.readString(path, StandardCharsets.ISO_8859_1),
                (int) stat.get("mode") & 07777,
                (int) stat.get("uid"),
                (int) stat.get("gid"),
                Span.exactly(((FileTime) stat.get("lastModifiedTime")).toInstant()),
                attributes(path));
    }

    private static Map<String, String> attributes(Path path) throws IOException {
        UserDefinedFileAttributeView view = Files.getFileAttributeView(path, UserDefinedFileAttributeView.class);
        Map<String, String> attributes = new TreeMap<>();
        for (String name : view.list()) {
            if (!name.startsWith(OURS)) {
                ByteBuffer value = ByteBuffer.allocate(view.size(name));
                view.read(name, value);
                attributes.put(name, new String(value.array(), StandardCharsets.ISO_8859_1));
            }
        }
        return attributes;
    }

    boolean has(String name) {
        return names.containsKey(name);
    }

    Inode at(String name) {
        return inodes.get(names.get(name));
    }

    /** With one more file, under a number of its own. */
    Contents with(String name, Inode inode) {
        long number = inodes.keySet().stream().mapToLong(n -> n).max().orElse(0) + 1;
        Map<Long, Inode> others = new HashMap<>(inodes);
        others.put(number, inode);
        return new Contents(put(name, number), others);
    }

    Contents withLink(String from, String to) {
        return new Contents(put(to, names.get(from)), inodes);
    }

    Contents without(String name) {
        SortedMap<String, Long> others = new TreeMap<>(names);
        Long number = others.remove(name);
        Map<Long, Inode> left = new HashMap<>(inodes);
        if (!others.containsValue(number)) {
            left.remove(number);
        }
        return new Contents(others, left);
    }

    /** A rename, which does nothing if both are names of one file. */
    Contents moved(String from, String to) {
        return names.get(from).equals(names.get(to))
                ? this
                : withLink(from, to).pruned().without(from);
    }

    private Contents pruned() {
        Map<Long, Inode> left = new HashMap<>(inodes);
        left.keySet().retainAll(names.values());
        return new Contents(names, left);
    }

    Contents changed(String name, UnaryOperator<Inode> change) {
        Map<Long, Inode> others = new HashMap<>(inodes);
        others.computeIfPresent(names.get(name), (number, inode) -> change.apply(inode));
        return new Contents(names, others);
    }

    private SortedMap<String, Long> put(String name, long number) {
        SortedMap<String, Long> others = new TreeMap<>(names);
        others.put(name, number);
        return others;
    }

    /** In what the other, which was seen, is not this: nothing, if it is all right. */
    List<String> differences(Contents seen) {
        List<String> found = new ArrayList<>();
        names.keySet().stream().filter(name -> !seen.has(name)).forEach(name -> found.add(name + " is missing"));
        seen.names.keySet().stream().filter(name -> !has(name)).forEach(name -> found.add(name + " is too much"));
        Map<Long, Long> same = new HashMap<>();
        names.forEach((name, number) -> {
            if (seen.has(name)) {
                compare(name, at(name), seen.at(name), found);
                Long other = seen.names.get(name);
                boolean first = !same.containsKey(number) && !same.containsValue(other);
                if (first) {
                    same.put(number, other);
                } else if (!other.equals(same.get(number))) {
                    found.add(name + " is linked to other names than it was");
                }
            }
        });
        return found;
    }

    private static void compare(String name, Inode ours, Inode theirs, List<String> found) {
        compare(name, "content", ours.bytes, theirs.bytes, found);
        compare(name, "mode", Integer.toOctalString(ours.mode), Integer.toOctalString(theirs.mode), found);
        compare(name, "owner", ours.uid + ":" + ours.gid, theirs.uid + ":" + theirs.gid, found);
        compare(name, "attributes", ours.attributes, theirs.attributes, found);
        if (!ours.modified.contains(theirs.modified)) {
            found.add(name + " was modified at " + theirs.modified + ", and not at " + ours.modified);
        }
    }

    private static void compare(String name, String what, Object ours, Object theirs, List<String> found) {
        if (!Objects.equals(ours, theirs)) {
            found.add(name + " has " + what + " " + theirs + ", and not " + ours);
        }
    }
}
