package org.kexecfs.session;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.keep.KeptLiveUpdate;
import org.kexecfs.posix.ErrnoException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What a session's transitions do: entries go to LUO, come back, and what the kernel before left is accepted. Whether a
 * transition is allowed, and what it leads to, is {@link StateTable}'s.
 *
 * <p>Each one has a point before which a kill takes it back and after which a kill completes it: the new
 * progress on the shelf. Guarded by the session's lock.
 */
final class Handover implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(Handover.class);

    private final String name;
    private final KeptLiveUpdate luo;
    private final Preserved preserved;
    private final Kept kept;
    private final Entries entries;

    /** What the kernel before left, until it is accepted. */
    private Optional<Incoming> incoming;

    Handover(
            String name,
            KeptLiveUpdate luo,
            Preserved preserved,
            Kept kept,
            Entries entries,
            Optional<Incoming> incoming) {
        this.name = name;
        this.luo = luo;
        this.preserved = preserved;
        this.kept = kept;
        this.entries = entries;
        this.incoming = incoming;
    }

    /**
     * Does what a transition asks for.
     *
     * @param unclaimed what becomes of restored files that nobody has opened since: for {@link StateTable.Work#ACCEPT}
     * @throws ErrnoException as {@link Session#prepare}, {@link Session#cancel} and {@link Session#finish}: everything is as
     *     it was, once {@link #settle} and {@link #reserve} have followed
     */
    void work(StateTable.Work work, Finish unclaimed) {
        switch (work) {
            case HAND_OVER -> handOver();
            case TAKE_BACK -> takeBack();
            case ACCEPT -> accept(unclaimed);
        }
    }

    private void handOver() {
        Requirements requirements = Requirements.of(entries.tree());
        requirements.missing().ifPresent(missing -> {
            throw new ErrnoException(
                    Errno.ENOENT,
                    "entry " + missing.entry() + " requires " + missing.required() + ", which is not there");
        });
        List<Long> tokens = entries.all().stream().map(Entry::token).toList();
        naming(() -> entries.held().prepare(requirements.inOrder(tokens), EntryRefused::raise));
        reachPrepared();
    }

    /**
     * Hands over what LUO takes, because a kexec is coming that waits for nobody. The manifest names the rest, too: whoever
     * restores it misses that, and says so.
     *
     * @return the paths of what LUO refused, and why
     * @throws ErrnoException as {@link Session#prepare}: everything is as it was
     */
    List<String> handOverWhatCanBe() {
        List<String> refused = new ArrayList<>();
        List<Long> tokens = entries.all().stream().map(Entry::token).toList();
        entries.held()
                .prepare(
                        tokens,
                        one -> refused.add(entries.tree().pathOf(one.token()) + ": "
                                + one.reason().getMessage()));
        reachPrepared();
        return refused;
    }

    private void reachPrepared() {
        try {
            reach(State.PREPARED);
        } catch (ErrnoException e) {
            preserved.cancel();
            throw e;
        }
    }

    private void takeBack() {
        // First: whoever finds LUO's session without it takes that back.
        reach(State.NORMAL);
        preserved.cancel();
    }

    private void accept(Finish unclaimed) {
        if (unclaimed == Finish.KEEP || unclaimed == Finish.STRICT) {
            requireRestored();
        }
        if (unclaimed == Finish.STRICT) {
            requireClaimed();
        }
        // Nothing is dropped before: LUO may refuse.
        incoming.ifPresent(Incoming::finish);
        kept.accepting(unclaimed);
        complete(unclaimed);
    }

    /** What is left of a finish when LUO has finished, and the shelf says so: this is done again if it is killed. */
    void complete(Finish unclaimed) {
        incoming.ifPresent(Incoming::close);
        incoming = Optional.empty();
        entries.drop(entry -> entries.isLost(entry)
                || unclaimed == Finish.RELEASE && entry.status().equals(Status.RESTORED));
        entries.all().forEach(entry -> entry.status(Status.LINKED));
        reach(State.NORMAL);
    }

    /**
     * Returns when what was closed has ended, at the keeper's as well; or goes on after a while, for the keeper will do it. Without
     * the session's lock, which a request that the keeper waits for may need.
     */
    void settle() {
        try {
            luo.settle();
        } catch (ErrnoException e) {
            log.warn("session {}: LUO keeps what was taken back, until that is closed: {}", name, e.getMessage());
        }
    }

    /**
     * What follows a transition when that has {@link #settle settled}. It is done, whatever comes of this.
     *
     * @throws ErrnoException as {@link #begin}
     */
    void follow(StateTable.Work work) {
        switch (work) {
            case HAND_OVER -> {}
            case TAKE_BACK -> reserve();
            case ACCEPT -> begin();
        }
    }

    /** The session's name is ours again, unless somebody else was faster: then the next prepare says so. */
    void reserve() {
        try {
            preserved.reserve();
        } catch (ErrnoException e) {
            log.warn("session {}: its name could not be taken again: {}", name, e.getMessage());
        }
    }

    /** LUO has, again, what it is to have in {@link State#NORMAL}: what was restored is accepted, and that stays so. */
    void begin() {
        try {
            naming(entries.held()::begin);
        } catch (ErrnoException e) {
            if (preserved.isEachAtOnce()) {
                throw new ErrnoException(
                        e, "the update is finished, but not all files could be handed to LUO again; try prepare");
            }
            log.warn("session {}: its name could not be taken again: {}", name, e.getMessage());
        }
    }

    /**
     * Goes on with what LUO had of a session that was normal or prepared when its process ended.
     *
     * @param was the state then
     * @return the state now: normal, unless LUO still has everything that was prepared
     */
    State resume(State was) {
        boolean held = preserved.resume(luo, entries.manifest());
        if (was == State.PREPARED && held) {
            return State.PREPARED;
        }
        begin();
        return State.NORMAL;
    }

    private void reach(State reached) {
        kept.progress(Progress.of(luo.kernel(), reached));
    }

    private void naming(Runnable handOver) {
        try {
            handOver.run();
        } catch (EntryRefused e) {
            throw new ErrnoException(e.reason(), "entry " + entries.tree().pathOf(e.token()) + " cannot be preserved");
        }
    }

    private void requireClaimed() {
        entries.all().stream()
                .filter(entry -> entry.status().equals(Status.RESTORED))
                .findFirst()
                .ifPresent(entry -> {
                    throw new ErrnoException(
                            Errno.EBUSY,
                            "entry " + entries.tree().pathOf(entry.token()) + " is restored and nobody has opened it");
                });
    }

    private void requireRestored() {
        Set<Long> lost =
                entries.all().stream().filter(entries::isLost).map(Entry::token).collect(Collectors.toSet());
        Requirements.of(entries.tree()).unmet(lost).ifPresent(unmet -> {
            throw new ErrnoException(
                    Errno.EBUSY,
                    "entry " + entries.tree().pathOf(unmet.entry()) + " requires "
                            + entries.tree().pathOf(unmet.required())
                            + ", which was not restored; unlink one of them, or finish with release");
        });
    }

    /**
     * Ends this process's part in a session that is prepared: what LUO has stays LUO's, whose sessions stay on the shelf, and
     * nothing else there.
     */
    void leave() {
        // An emulation has files only as long as somebody has them open: the shelf.
        if (!luo.emulated()) {
            kept.clear();
            entries.close();
        }
    }

    /** Ends the session: LUO drops what it holds, and the files that nobody else has open are gone. */
    @Override
    public void close() {
        // First: what is not all there any more is not to be gone on with.
        kept.clear();
        preserved.close();
        incoming.ifPresent(Incoming::close);
        entries.close();
    }
}
