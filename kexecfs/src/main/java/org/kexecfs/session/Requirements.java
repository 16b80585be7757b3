package org.kexecfs.session;

import java.io.ByteArrayOutputStream;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Deque;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.manifest.Bytes;
import org.kexecfs.manifest.Kind;
import org.kexecfs.manifest.Node;
import org.kexecfs.posix.ErrnoException;

/**
 * Which entries need which others.
 *
 * <p>An entry names those that it requires in the attribute {@code user.kexecfs.requires}: paths from the root, separated by
 * spaces, a backslash before a space or a backslash that belongs to a name. And a file requires the files directly in each
 * directory above it, the root excepted. Cycles are allowed.
 */
final class Requirements {
    static final Bytes ATTRIBUTE = Bytes.of("user.kexecfs.requires");

    /** An entry requires a path at which nothing is. */
    record Missing(EntryPath entry, EntryPath required) {}

    /** An entry requires another. */
    record Requirement(long entry, long required) {}

    private final Tree tree;
    private final Map<Long, Set<Long>> required = new LinkedHashMap<>();
    private Optional<Missing> missing = Optional.empty();

    private Requirements(Tree tree) {
        this.tree = tree;
    }

    /** The requirements of all entries, as they are now. */
    static Requirements of(Tree tree) {
        Requirements requirements = new Requirements(tree);
        for (Tree.Named named : tree.names()) {
            requirements.addNamed(named);
            requirements.addDirectory(named);
        }
        return requirements;
    }

    /**
     * The files directly in a directory and those above it, as one vertex: with an edge from each file below to each above,
     * two full directories would have as many edges as files times files.
     */
    private static long filesOf(Tree.Named directory) {
        return ~directory.token();
    }

    private static boolean isRoot(Tree.Named directory) {
        return directory.directory() == null;
    }

    private void addDirectory(Tree.Named named) {
        Tree.Named directory = named.directory();
        boolean isFile = tree.node(named.token()).orElseThrow().kind() == Kind.FILE;
        if (isRoot(directory)) {
            return;
        }
        Tree.Named above = directory.directory();
        if (isFile) {
            require(filesOf(directory), named.token());
            if (!isRoot(above)) {
                require(named.token(), filesOf(above));
            }
        }
        if (!isRoot(above)) {
            require(filesOf(directory), filesOf(above));
        }
    }

    private void require(long token, long other) {
        required.computeIfAbsent(token, t -> new LinkedHashSet<>()).add(other);
    }

    private void addNamed(Tree.Named named) {
        Bytes names = tree.node(named.token()).orElseThrow().xattrs().get(ATTRIBUTE);
        if (names == null) {
            return;
        }
        for (EntryPath path : parse(names)) {
            Optional<Node> found = find(path);
            if (found.isPresent()) {
                require(named.token(), found.get().token());
            } else if (missing.isEmpty()) {
                missing = Optional.of(new Missing(named.path(), path));
            }
        }
    }

    /** What is at a path; where a file is in the way there, nothing is. */
    private Optional<Node> find(EntryPath path) {
        try {
            return tree.find(path);
        } catch (ErrnoException e) {
            if (e.is(Errno.ENOTDIR)) {
                return Optional.empty();
            }
            throw e;
        }
    }

    /**
     * Reads the attribute's value.
     *
     * @throws ErrnoException EINVAL, ENAMETOOLONG for what is no path
     */
    static List<EntryPath> parse(Bytes value) {
        List<EntryPath> paths = new ArrayList<>();
        ByteArrayOutputStream path = new ByteArrayOutputStream();
        byte[] bytes = value.toArray();
        for (int i = 0; i < bytes.length; i++) {
            if (bytes[i] == '\\' && i + 1 < bytes.length) {
                path.write(bytes[++i]);
            } else if (bytes[i] == ' ') {
                add(path, paths);
            } else {
                path.write(bytes[i]);
            }
        }
        add(path, paths);
        return paths;
    }

    private static void add(ByteArrayOutputStream path, List<EntryPath> paths) {
        if (path.size() > 0) {
            paths.add(EntryPath.of(path.toByteArray()));
            path.reset();
        }
    }

    /** A requirement of something that is not there, if there is one. */
    Optional<Missing> missing() {
        return missing;
    }

    /** A requirement of an entry of {@code lost} by one that is not, if there is one. */
    Optional<Requirement> unmet(Set<Long> lost) {
        return required.keySet().stream()
                .filter(token -> token >= 0 && !lost.contains(token))
                .flatMap(token -> lostFor(token, lost).stream().map(gone -> new Requirement(token, gone)))
                .findFirst();
    }

    /** What of {@code lost} an entry requires itself, or through the directories above it. */
    private Optional<Long> lostFor(long token, Set<Long> lost) {
        Deque<Long> vertices = new ArrayDeque<>(required.get(token));
        while (!vertices.isEmpty()) {
            long vertex = vertices.pop();
            if (lost.contains(vertex)) {
                return Optional.of(vertex);
            }
            if (vertex < 0) {
                vertices.addAll(required.getOrDefault(vertex, Set.of()));
            }
        }
        return Optional.empty();
    }

    /** {@code tokens}, what is required before what requires it; where there is a cycle, somewhere in it. */
    List<Long> inOrder(Collection<Long> tokens) {
        Set<Long> wanted = new HashSet<>(tokens);
        Set<Long> seen = new HashSet<>();
        List<Long> ordered = new ArrayList<>();
        for (Long token : tokens) {
            visit(token, seen, ordered);
        }
        ordered.retainAll(wanted);
        return ordered;
    }

    /** Depth first, but with a stack of our own: how long a chain is, is the user's to say. */
    private void visit(long start, Set<Long> seen, List<Long> ordered) {
        record Step(long token, boolean done) {}
        Deque<Step> steps = new ArrayDeque<>(List.of(new Step(start, false)));
        while (!steps.isEmpty()) {
            Step step = steps.pop();
            if (step.done()) {
                ordered.add(step.token());
            } else if (seen.add(step.token())) {
                steps.push(new Step(step.token(), true));
                required.getOrDefault(step.token(), Set.of()).forEach(token -> steps.push(new Step(token, false)));
            }
        }
    }
}
