package org.kexecfs.session;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.manifest.Absence;
import org.kexecfs.manifest.Change;
import org.kexecfs.manifest.Kind;
import org.kexecfs.manifest.Manifest;
import org.kexecfs.manifest.Node;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.Time;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A session as it was, from its manifest and the files of its entries.
 *
 * @param manifest current, and free to be appended to
 * @param tree what it says
 * @param entries by token, for every node of the tree
 * @param damage what could not be had or understood, in words; empty if nothing went wrong
 * @param missing what is not there, as it must be after a kexec at such a moment, in words; empty if everything is
 */
record Recovery(
        Manifest manifest, Tree tree, Map<Long, Entry> entries, Optional<String> damage, Optional<String> missing) {
    private static final Logger log = LoggerFactory.getLogger(Recovery.class);

    private static final String TAKEN_BACK =
            " (their sizes were to change when the kexec came, and LUO has a file only while its size stands still); unlink"
                    + " and make them anew, or finish, which drops them";

    /** Where the files come from: as it is here, from the kernel before. */
    interface Source {
        /** The file under a token: ENOENT if there is none; another errno if it cannot be had. */
        Fd get(long token);

        /** The entry of a file that was there. */
        default Entry entry(Node node, Fd file) {
            Entry.restoreTimes(node, file);
            return Entry.file(node, file, Status.RESTORED);
        }

        /** LUO lets go of a file after the manifest does: a kexec in between brings one here that is nobody's. */
        default void free(long token) {
            try {
                get(token).close();
            } catch (ErrnoException e) {
                // It let go in time.
                return;
            }
        }
    }

    /** From a process before, of the same kernel: the files are what they were. What that could not restore LUO may tell. */
    record Crash(Kept.Left left, Optional<Incoming> luo) implements Source {
        @Override
        public Fd get(long token) {
            Fd file = left.files().remove(token);
            if (file != null) {
                return file;
            }
            return luo.orElseThrow(() -> new ErrnoException(Errno.ENOENT, "it was not kept"))
                    .get(token);
        }

        @Override
        public Entry entry(Node node, Fd file) {
            return Entry.file(node, file, left.progress().statusOf(node.token()));
        }

        @Override
        public void free(long token) {
            // What nobody asks for is left in there.
        }
    }

    private static final int F_SEAL_SEAL = 1;

    /** How many kinds of damage are told in words. */
    private static final int MOST_TOLD = 8;

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
        return new Recovery(manifest, tree, entries, Optional.empty(), Optional.empty());
    }

    /** {@link #fresh}, because nothing could be had. */
    static Recovery lost(String name, Settings settings, String damage) {
        Recovery fresh = fresh(name, settings);
        return new Recovery(fresh.manifest, fresh.tree, fresh.entries, Optional.of(damage), Optional.empty());
    }

    /**
     * Restores what LUO kept.
     *
     * @return empty if the session preserved nothing at all
     */
    static Optional<Recovery> of(Incoming luo, String name, Settings settings) {
        List<Fd> manifests;
        try {
            manifests = luo.manifests();
        } catch (ErrnoException e) {
            return Optional.of(lost(name, settings, "the manifest could not be restored: " + e.getMessage()));
        }
        if (manifests.isEmpty()) {
            return luo.holdsAnything()
                    ? Optional.of(lost(
                            name,
                            settings,
                            "session " + name + " holds files and no manifest, so something else than kexecfs"
                                    + " preserved it; they are kept as long as this is mounted, and finish or umount drops"
                                    + " them"))
                    : Optional.empty();
        }
        return Optional.of(of(newest(manifests, name), luo::get, name, settings).counted());
    }

    /**
     * Goes on with a session where a process that has ended left it, in this kernel.
     *
     * @param left its manifest and files; taken over
     * @param luo what the kernel before left, if that is not accepted yet
     */
    static Recovery of(Kept.Left left, Optional<Incoming> luo, String name, Settings settings) {
        return of(left.manifest(), new Crash(left, luo), name, settings);
    }

    /** The one that counts; the others are closed. To compare them they are read, so one alone is not. */
    private static Fd newest(List<Fd> manifests, String name) {
        Fd newest = manifests.get(0);
        if (manifests.size() == 1) {
            return newest;
        }
        long generation = generation(newest, name);
        for (Fd other : manifests.subList(1, manifests.size())) {
            long otherGeneration = generation(other, name);
            (otherGeneration > generation ? newest : other).close();
            newest = otherGeneration > generation ? other : newest;
            generation = Math.max(generation, otherGeneration);
        }
        return newest;
    }

    /** -1 for one that cannot be understood. */
    private static long generation(Fd memfd, String name) {
        Manifest.Recovered read = Manifest.read(memfd.dup(), name, new Tree()::apply);
        try (Manifest manifest = read.manifest()) {
            return read.damage().isPresent() ? -1 : manifest.generation();
        }
    }

    /**
     * It has come through one more update. That is in another file than what LUO gave, which stays as it is: who is
     * killed now restores all this once more, from there.
     */
    private Recovery counted() {
        tree.apply(new Change.Cycle(tree.cycle() + 1));
        return new Recovery(replaced(manifest, tree), tree, entries, damage, missing);
    }

    /**
     * Rebuilds a session.
     *
     * @param memfd its manifest; taken over
     */
    static Recovery of(Fd memfd, Source source, String name, Settings settings) {
        Tree tree = new Tree();
        List<Long> removed = new ArrayList<>();
        Manifest.Recovered read = Manifest.read(memfd, name, change -> {
            tree.apply(change);
            noteRemoved(change, removed);
        });
        removed.forEach(source::free);
        List<String> damage = new ArrayList<>();
        read.damage().ifPresent(damage::add);
        if (tree.node(Tree.ROOT).isEmpty()) {
            read.manifest().close();
            damage.add("nothing of the manifest could be understood");
            return lost(name, settings, String.join("; ", damage));
        }
        dropNameless(tree, damage);
        List<String> missing = new ArrayList<>();
        Set<Long> unmade = new HashSet<>();
        Map<Long, Entry> entries = new TreeMap<>();
        for (Node node : tree.nodes()) {
            try {
                entries.put(node.token(), entry(node, source));
            } catch (ErrnoException e) {
                boolean absent = e.is(Errno.ENOENT);
                if (absent && node.absence() == Absence.NEW) {
                    unmade.add(node.token());
                    continue;
                }
                boolean takenBack = absent && node.absence() == Absence.TAKEN_BACK;
                if (takenBack) {
                    missing.add(told(node, missing, tree));
                } else {
                    damage.add("entry " + told(node, damage, tree) + ": " + e.getMessage());
                }
                entries.put(node.token(), Entry.lost(node, absent ? Status.MISSING : new Status.Error(e.errno())));
            }
        }
        Manifest manifest =
                damage.isEmpty() && isWritable(read.manifest()) ? read.manifest() : replaced(read.manifest(), tree);
        Recovery recovery = new Recovery(
                manifest,
                tree,
                entries,
                told(damage, "; "),
                told(missing, ", ").map(paths -> "missing: " + paths + TAKEN_BACK));
        recovery.dropUnmade(unmade, name);
        return recovery;
    }

    /** Keeps the tokens of the entries that were removed last, with nothing done after it. */
    private static void noteRemoved(Change change, List<Long> removed) {
        if (change instanceof Change.Remove remove) {
            removed.add(remove.token());
        } else {
            removed.clear();
        }
    }

    /** What was made and never closed is not here, as if it had not been made. */
    private void dropUnmade(Set<Long> tokens, String session) {
        if (!tokens.isEmpty()) {
            tokens.stream()
                    .limit(MOST_TOLD)
                    .forEach(token -> log.info(
                            "session {}: entry {} was new and not closed before the kexec: it is not here",
                            session,
                            tree.pathOf(token)));
            List<Change> changes = tree.removal(tokens);
            manifest.append(changes);
            changes.forEach(tree::apply);
        }
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

    private static Entry entry(Node node, Source source) {
        if (node.kind() == Kind.DIRECTORY) {
            return Entry.directory(node);
        }
        return source.entry(node, source.get(node.token()));
    }

    /** Only the first are told by path, for to look one up goes through all names. */
    private static String told(Node node, List<String> before, Tree tree) {
        return before.size() < MOST_TOLD ? tree.pathOf(node.token()).toString() : Long.toString(node.token());
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

    private static Optional<String> told(List<String> what, String between) {
        if (what.isEmpty()) {
            return Optional.empty();
        }
        String all = String.join(between, what.subList(0, Math.min(MOST_TOLD, what.size())));
        return Optional.of(
                what.size() > MOST_TOLD
                        ? all + between + "and " + (what.size() - MOST_TOLD) + " more, see kexecfs.files"
                        : all);
    }
}
