package org.kexecfs.session;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.manifest.Bounds;
import org.kexecfs.manifest.BrokenChange;
import org.kexecfs.manifest.Change;
import org.kexecfs.manifest.Kind;
import org.kexecfs.manifest.Name;
import org.kexecfs.manifest.Node;
import org.kexecfs.posix.ErrnoException;

/**
 * The names and attributes of a session's entries: what its manifest says, applied.
 *
 * <p>Changed only by {@link #apply}, by a living session and by a recovery alike. Not thread-safe: the session's
 * lock guards it.
 */
final class Tree {
    /** What kexecfs's own names begin with, in every directory. */
    private static final byte[] RESERVED = "kexecfs.".getBytes(java.nio.charset.StandardCharsets.US_ASCII);

    static final long ROOT = 0;

    /** How many directories may be below each other: bounds what one path costs. */
    static final int MAX_DEPTH = 512;

    /** An entry: its attributes, how many names it has, and for a directory what is in it and where it is. */
    private static final class Vertex {
        private Node node;
        private int names;
        private final NavigableMap<Name, Long> children = new TreeMap<>();

        /** How many of the children are directories: every stat(2) asks for it. */
        private long directories;

        private long parent;

        private Vertex(Node node) {
            this.node = node;
        }
    }

    private final Map<Long, Vertex> vertices = new HashMap<>();
    private long cycle;

    /** Whether {@code name} is kexecfs's own to give. */
    static boolean isReserved(Name name) {
        byte[] bytes = name.bytes();
        return bytes.length >= RESERVED.length
                && java.util.Arrays.equals(bytes, 0, RESERVED.length, RESERVED, 0, RESERVED.length);
    }

    /**
     * Applies a change, all or nothing.
     *
     * @throws BrokenChange it does not fit this tree
     */
    void apply(Change change) {
        switch (change) {
            case Change.Put put -> put(put.node());
            case Change.Remove remove -> remove(remove.token());
            case Change.Link link -> link(link.parent(), link.name(), link.token());
            case Change.Unlink unlink -> unlink(unlink.parent(), unlink.name());
            case Change.Cycle updates -> cycle = updates.updates();
        }
    }

    private void put(Node node) {
        Vertex known = vertices.get(node.token());
        if (known == null) {
            fit(vertices.size() < Bounds.NODES, "more than " + Bounds.NODES + " entries");
            vertices.put(node.token(), new Vertex(node));
        } else {
            fit(known.node.kind() == node.kind(), "token " + node.token() + " is a file and a directory");
            known.node = node;
        }
    }

    private void remove(long token) {
        Vertex vertex = vertex(token);
        fit(vertex.names == 0, "token " + token + " is removed and has a name");
        fit(vertex.children.isEmpty(), "token " + token + " is removed and not empty");
        vertices.remove(token);
    }

    private void link(long parent, Name name, long token) {
        Vertex directory = directoryVertex(parent);
        Vertex vertex = vertex(token);
        fit(!isReserved(name), "the name " + name + " is reserved");
        if (vertex.node.kind() == Kind.DIRECTORY) {
            fit(vertex.names == 0, "directory " + token + " has two names");
            int depth = 1;
            for (long up = parent; up != ROOT; up = vertices.get(up).parent) {
                fit(up != token, "directory " + token + " is below itself");
                fit(++depth <= MAX_DEPTH, "directory " + token + " is more than " + MAX_DEPTH + " deep");
                fit(vertices.get(up).names > 0, "directory " + up + " is nowhere");
            }
            vertex.parent = parent;
        }
        Long replaced = directory.children.put(name, token);
        named(directory, vertex, 1);
        if (replaced != null) {
            named(directory, vertices.get(replaced), -1);
        }
    }

    private static void named(Vertex directory, Vertex child, int more) {
        child.names += more;
        if (child.node.kind() == Kind.DIRECTORY) {
            directory.directories += more;
        }
    }

    private void unlink(long parent, Name name) {
        Vertex directory = directoryVertex(parent);
        Long token = directory.children.remove(name);
        fit(token != null, "the name " + name + " is taken away and is not there");
        named(directory, vertices.get(token), -1);
    }

    /** Takes an entry out that no path leads to, whatever is in it. */
    void forget(long token) {
        vertices.remove(token).children.values().forEach(child -> {
            Vertex vertex = vertices.get(child);
            if (vertex != null) {
                vertex.names--;
            }
        });
    }

    private Vertex vertex(long token) {
        Vertex vertex = vertices.get(token);
        fit(vertex != null, "token " + token + " is not there");
        return vertex;
    }

    private Vertex directoryVertex(long token) {
        Vertex vertex = vertex(token);
        fit(vertex.node.kind() == Kind.DIRECTORY, "token " + token + " is no directory");
        return vertex;
    }

    private static void fit(boolean holds, String otherwise) {
        if (!holds) {
            throw new BrokenChange(otherwise);
        }
    }

    /** The attributes of {@code token}, if it is there. */
    Optional<Node> node(long token) {
        return Optional.ofNullable(vertices.get(token)).map(v -> v.node);
    }

    /** The entry at {@code path}, if there is one. */
    Optional<Node> find(EntryPath path) {
        Vertex at = vertices.get(ROOT);
        for (Name name : path.names()) {
            if (at.node.kind() != Kind.DIRECTORY) {
                throw new ErrnoException(Errno.ENOTDIR, path.toString());
            }
            Long token = at.children.get(name);
            if (token == null) {
                return Optional.empty();
            }
            at = vertices.get(token);
        }
        return Optional.of(at.node);
    }

    /** The entry at {@code path}: ENOENT if there is none, ENOTDIR if the way leads through a file. */
    Node get(EntryPath path) {
        return find(path).orElseThrow(() -> new ErrnoException(Errno.ENOENT, "no entry " + path));
    }

    /** The directory at {@code path}: ENOENT, ENOTDIR. */
    Node directory(EntryPath path) {
        Node node = get(path);
        if (node.kind() != Kind.DIRECTORY) {
            throw new ErrnoException(Errno.ENOTDIR, path.toString());
        }
        return node;
    }

    /** The names in a directory, and whose they are. */
    NavigableMap<Name, Long> children(long directory) {
        return Collections.unmodifiableNavigableMap(vertices.get(directory).children);
    }

    /** st_nlink: the names of a file; for a directory 2 and one for each directory in it. */
    long links(long token) {
        Vertex vertex = vertices.get(token);
        if (vertex.node.kind() == Kind.FILE) {
            return vertex.names;
        }
        return 2 + vertex.directories;
    }

    /** How many updates the session has come through. */
    long cycle() {
        return cycle;
    }

    /** How many names an entry has. */
    int nameCount(long token) {
        return vertices.get(token).names;
    }

    /** How many entries there are, the root not counted. */
    int size() {
        return vertices.size() - 1;
    }

    /** All entries, the root included, by token. */
    List<Node> nodes() {
        return vertices.keySet().stream()
                .sorted()
                .map(token -> vertices.get(token).node)
                .toList();
    }

    /**
     * Every name, those in a directory after the directory's own. Not recursive: how deep it goes is the manifest's
     * to say.
     */
    List<Named> names() {
        List<Named> all = new ArrayList<>();
        Deque<Named> directories = new ArrayDeque<>(List.of(new Named(null, null, ROOT)));
        while (!directories.isEmpty()) {
            Named directory = directories.remove();
            vertices.get(directory.token()).children.forEach((name, token) -> {
                Named named = new Named(directory, name, token);
                all.add(named);
                if (vertices.get(token).node.kind() == Kind.DIRECTORY) {
                    directories.add(named);
                }
            });
        }
        return all;
    }

    /** A path of an entry that has one. */
    EntryPath pathOf(long token) {
        return names().stream()
                .filter(named -> named.token() == token)
                .findFirst()
                .orElseThrow()
                .path();
    }

    /** Changes that take entries out, with all their names. */
    List<Change> removal(Set<Long> tokens) {
        Stream<Change> names = names().stream()
                .filter(named -> tokens.contains(named.token()))
                .map(named -> new Change.Unlink(named.directory().token(), named.name()));
        return Stream.concat(names, tokens.stream().map(Change.Remove::new)).toList();
    }

    /** Changes that make this tree from nothing: entries, then names, a directory's own before those in it. */
    Stream<Change> snapshot() {
        Stream<Change> entries = nodes().stream().map(Change.Put::new);
        Stream<Change> links =
                names().stream().map(n -> new Change.Link(n.directory().token(), n.name(), n.token()));
        Stream<Change> updates = cycle == 0 ? Stream.empty() : Stream.of(new Change.Cycle(cycle));
        return Stream.concat(updates, Stream.concat(entries, links));
    }

    /**
     * A name and what has it.
     *
     * @param directory what the name is in; null for the root, which has none
     * @param name in that directory; null for the root
     * @param token of the entry
     */
    record Named(Named directory, Name name, long token) {
        /** From the root. */
        EntryPath path() {
            Deque<Name> names = new ArrayDeque<>();
            for (Named at = this; at.directory != null; at = at.directory) {
                names.addFirst(at.name);
            }
            return new EntryPath(List.copyOf(names));
        }
    }
}
