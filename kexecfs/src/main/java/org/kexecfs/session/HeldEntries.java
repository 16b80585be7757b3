package org.kexecfs.session;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import org.kexecfs.manifest.Absence;
import org.kexecfs.manifest.Change;
import org.kexecfs.manifest.Kind;
import org.kexecfs.manifest.Node;
import org.kexecfs.posix.ErrnoException;

/**
 * Which of a session's entries LUO has, and the manifest's word on it: what LUO has is recorded as it is then, with the times
 * that LUO does not keep, and what was taken back is recorded as that first. Guarded by the session's lock.
 */
final class HeldEntries {
    private final Journal journal;

    /** The journal's. */
    private final Tree tree;

    private final Preserved preserved;

    /** By token; those of {@link Entries}. */
    private final Map<Long, Entry> entries;

    HeldEntries(Journal journal, Preserved preserved, Map<Long, Entry> entries) {
        this.journal = journal;
        this.tree = journal.tree();
        this.preserved = preserved;
        this.entries = entries;
    }

    /** Whether LUO is handed each file at once, and not all at prepare. */
    boolean isEachAtOnce() {
        return preserved.isEachAtOnce();
    }

    /** How an entry fares, as far as LUO is concerned, too. */
    Status status(Entry entry) {
        long held = entry.file().isPresent() ? entry.token() : Preserved.MANIFEST;
        return entry.status().equals(Status.LINKED) && preserved.holds(held) ? Status.PRESERVED : entry.status();
    }

    /**
     * LUO has from now on what it is to have at this time.
     *
     * @throws ErrnoException as {@link Preserved#begin}; {@link EntryRefused} names a file, and those before it are held
     */
    void begin() {
        if (isEachAtOnce()) {
            // A kexec may come between two files, and finds those that LUO has by then.
            record(tree.nodes().stream()
                    .filter(node -> node.absence() == Absence.DAMAGE && node.kind() == Kind.FILE)
                    .filter(node -> !preserved.holds(node.token()))
                    .map(node -> node.withAbsence(Absence.TAKEN_BACK))
                    .toList());
            if (!preserved.holds(Preserved.MANIFEST)) {
                journal.reserveRoom();
            }
        }
        preserved.begin(journal.manifest());
        if (isEachAtOnce()) {
            prepareAll(entries.values(), EntryRefused::raise);
        }
    }

    /**
     * LUO has everything when this returns, or all but what it refused.
     *
     * @param order of the tokens
     * @param onRefusal as for {@link Preserved#prepare}
     * @throws ErrnoException LUO's errno
     */
    void prepare(List<Long> order, Consumer<EntryRefused> onRefusal) {
        if (!isEachAtOnce()) {
            // The last moment that it can be recorded.
            record(tree.nodes().stream()
                    .map(node -> node.withAbsence(Absence.DAMAGE))
                    .toList());
            journal.reserveRoom();
        }
        prepareAll(order.stream().map(entries::get).toList(), onRefusal);
    }

    private void prepareAll(Collection<Entry> all, Consumer<EntryRefused> onRefusal) {
        try {
            preserved.prepare(journal.manifest(), all, onRefusal);
        } finally {
            if (isEachAtOnce()) {
                record(tree.nodes());
            }
        }
    }

    /** Whether {@link #hold} has nothing to do. */
    boolean isSettled(long token) {
        return tree.node(token)
                .map(node -> preserved.holds(token) && current(node).equals(node))
                .orElse(true);
    }

    /**
     * LUO has the file when this returns, if it is to have each at once, and the manifest says so. Nothing if the entry is
     * gone.
     *
     * @throws ErrnoException LUO's errno
     */
    void hold(long token) {
        Optional<Node> node = tree.node(token);
        if (node.isPresent()) {
            preserved.hold(entries.get(token));
            record(List.of(node.get()));
        }
    }

    /** LUO does not have the file alone when this returns, and the manifest says so: its size can change. */
    void loosen(long token) {
        Optional<Node> node = tree.node(token);
        if (node.isPresent() && preserved.holds(token)) {
            journal.commit(List.of(new Change.Put(node.get().withAbsence(Absence.TAKEN_BACK))));
            preserved.letGo(token);
        }
    }

    boolean isHeld(long token) {
        return preserved.holds(token);
    }

    /** The manifest has this entry no more, so LUO needs it no longer. */
    void letGo(long token) {
        preserved.letGo(token);
    }

    /** Times were set: they are recorded where LUO may have the file, which it keeps without them, or where there is no file. */
    void timesSet(Node node) {
        if (isEachAtOnce() || node.kind() == Kind.DIRECTORY) {
            record(List.of(node));
        }
    }

    /** Records what is as it is now and not as it was recorded: times, which LUO does not keep, and what LUO has. */
    private void record(List<Node> nodes) {
        List<Change> changes = new ArrayList<>();
        for (Node node : nodes) {
            Node current = current(node);
            if (!current.equals(tree.node(node.token()).orElseThrow())) {
                changes.add(new Change.Put(current));
            }
        }
        if (!changes.isEmpty()) {
            journal.commit(changes);
        }
    }

    private Node current(Node node) {
        Node current = entries.get(node.token()).withTimes(node);
        return preserved.holds(node.token()) ? current.withAbsence(Absence.DAMAGE) : current;
    }
}
