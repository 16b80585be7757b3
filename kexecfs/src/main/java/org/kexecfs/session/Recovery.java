package org.kexecfs.session;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.luo.LiveUpdateSession;
import org.kexecfs.manifest.Change;
import org.kexecfs.manifest.Kind;
import org.kexecfs.manifest.Manifest;
import org.kexecfs.manifest.Node;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.Time;

/**
 * A session as it was, from its manifest and the files of its entries.
 *
 * @param manifest current, and free to be appended to
 * @param tree what it says
 * @param entries by token, for every node of the tree
 * @param damage what could not be had or understood, in words; empty if everything is there
 */
record Recovery(Manifest manifest, Tree tree, Map<Long, Entry> entries, Optional<String> damage) {
    /** Where the descriptors come from. */
    interface Source {
        /** The file under a token: ENOENT if there is none; another errno if it cannot be had. */
        Fd get(long token);
    }

    private static final int F_SEAL_SEAL = 1;

    /** How many kinds of damage are told in words. */
    private static final int MOST_TOLD = 8;

    /** Tokens that tell a session of someone else's, without a manifest, from one that preserved nothing. */
    private static final int PROBED_TOKENS = 4096;

    /** A session that begins: a root, and nothing in it. */
    static Recovery fresh(String name, Settings settings) {
        Manifest manifest = Manifest.create(name);
        Node root = Node.of(
                Tree.ROOT, Kind.DIRECTORY, settings.newUid(), settings.newGid(), settings.newMode(), Time.now(), false);
        Change put = new Change.Put(root);
        manifest.append(List.of(put));
        Tree tree = new Tree();
        tree.apply(put);
        Map<Long, Entry> entries = new TreeMap<>(Map.of(Tree.ROOT, Entry.directory(root)));
        return new Recovery(manifest, tree, entries, Optional.empty());
    }

    /** {@link #fresh}, because nothing could be had. */
    static Recovery lost(String name, Settings settings, String damage) {
        Recovery fresh = fresh(name, settings);
        return new Recovery(fresh.manifest, fresh.tree, fresh.entries, Optional.of(damage));
    }

    /**
     * Restores what LUO kept.
     *
     * @return empty if the session preserved nothing at all
     */
    static Optional<Recovery> of(LiveUpdateSession luo, String name, Settings settings) {
        Fd manifest;
        try {
            manifest = luo.retrieve(Preserved.MANIFEST);
        } catch (ErrnoException e) {
            if (!e.is(Errno.ENOENT)) {
                return Optional.of(lost(name, settings, "the manifest could not be restored: " + e.getMessage()));
            }
            return holdsAnything(luo)
                    ? Optional.of(lost(
                            name,
                            settings,
                            "session " + name + " holds files and no manifest, so something else than kexecfs"
                                    + " preserved it; they are kept as long as this is mounted, and finish or umount drops"
                                    + " them"))
                    : Optional.empty();
        }
        Recovery recovery = of(manifest, luo::retrieve, name, settings);
        recovery.count();
        return Optional.of(recovery);
    }

    /** It has come through one more update. */
    private void count() {
        Change update = new Change.Cycle(tree.cycle() + 1);
        manifest.append(List.of(update));
        tree.apply(update);
    }

    private static boolean holdsAnything(LiveUpdateSession luo) {
        for (long token = 1; token <= PROBED_TOKENS; token++) {
            try {
                luo.retrieve(token).close();
                return true;
            } catch (ErrnoException e) {
                if (!e.is(Errno.ENOENT)) {
                    return true;
                }
            }
        }
        return false;
    }

    /**
     * Rebuilds a session.
     *
     * @param memfd its manifest; taken over
     */
    static Recovery of(Fd memfd, Source source, String name, Settings settings) {
        Tree tree = new Tree();
        Manifest.Recovered read = Manifest.read(memfd, name, tree::apply);
        List<String> damage = new ArrayList<>();
        read.damage().ifPresent(damage::add);
        if (tree.node(Tree.ROOT).isEmpty()) {
            read.manifest().close();
            damage.add("nothing of the manifest could be understood");
            return lost(name, settings, String.join("; ", damage));
        }
        dropNameless(tree, damage);
        Map<Long, Entry> entries = new TreeMap<>();
        for (Node node : tree.nodes()) {
            entries.put(node.token(), entry(node, source, tree, damage));
        }
        Manifest manifest =
                damage.isEmpty() && isWritable(read.manifest()) ? read.manifest() : replaced(read.manifest(), tree);
        return new Recovery(manifest, tree, entries, damage.isEmpty() ? Optional.empty() : Optional.of(told(damage)));
    }

    /** An entry that no path leads to is not what we write: a damaged manifest, or someone's mischief. */
    private static void dropNameless(Tree tree, List<String> damage) {
        Set<Long> reachable = new HashSet<>(Set.of(Tree.ROOT));
        tree.names().forEach(named -> reachable.add(named.token()));
        List<Long> nameless = tree.nodes().stream()
                .map(Node::token)
                .filter(token -> !reachable.contains(token))
                .toList();
        nameless.forEach(tree::forget);
        if (!nameless.isEmpty()) {
            damage.add("entries without a name: token "
                    + nameless.stream().map(String::valueOf).limit(8).collect(java.util.stream.Collectors.joining(", "))
                    + (nameless.size() > 8 ? ", ..." : ""));
        }
    }

    private static Entry entry(Node node, Source source, Tree tree, List<String> damage) {
        if (node.kind() == Kind.DIRECTORY) {
            return Entry.directory(node);
        }
        try {
            Fd file = source.get(node.token());
            Entry.restoreTimes(node, file);
            return Entry.file(node, file, Status.RESTORED);
        } catch (ErrnoException e) {
            Status status = e.is(Errno.ENOENT) ? Status.MISSING : new Status.Error(e.errno());
            // Only these are told, and to look a path up goes through all names.
            boolean told = damage.size() < MOST_TOLD;
            damage.add("entry " + (told ? tree.pathOf(node.token()) : node.token()) + ": " + e.getMessage());
            return Entry.lost(node, status);
        }
    }

    /** A memfd that may not be executed comes back sealed against everything, and takes no more changes. */
    private static boolean isWritable(Manifest manifest) {
        return (manifest.memfd().seals() & ~F_SEAL_SEAL) == 0;
    }

    private static Manifest replaced(Manifest damaged, Tree tree) {
        try (damaged) {
            return damaged.compacted(tree.snapshot());
        }
    }

    private static String told(List<String> damage) {
        String all = String.join("; ", damage.subList(0, Math.min(MOST_TOLD, damage.size())));
        return damage.size() > MOST_TOLD
                ? all + "; and " + (damage.size() - MOST_TOLD) + " more, see kexecfs.files"
                : all;
    }
}
