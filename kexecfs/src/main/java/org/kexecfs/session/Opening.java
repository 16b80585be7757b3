package org.kexecfs.session;

import java.util.Optional;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.keep.KeptLiveUpdate;
import org.kexecfs.luo.LiveUpdate;
import org.kexecfs.luo.SessionName;
import org.kexecfs.posix.ErrnoException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * How a session comes to be: as a process before left it on the shelf, else as the kernel before left it with LUO, else
 * new. See {@link Session#open}.
 */
public final class Opening {
    private static final Logger log = LoggerFactory.getLogger(Opening.class);

    private static final String WHAT_TO_DO =
            "; what could be restored can be read here: finish goes on with that, and drops the rest";

    /** Of a failed restore the log has one error, with all that {@code kexecfs.error} says; it is for people who do not look there. */
    private static final String FAILED = "session {} is failed, and files of it may be lost: {} ('kexecfs finish {}')";

    private final String name;
    private final KeptLiveUpdate luo;
    private final Preserved preserved;
    private final Kept kept;
    private final Settings settings;
    private final Host host;

    /** What a process before has left. */
    private Optional<Kept.Left> left = Optional.empty();

    /**
     * Nothing is done yet.
     *
     * @throws ErrnoException EINVAL as {@link Session#open}
     */
    public Opening(LiveUpdate device, String name, Settings settings, Host host) {
        SessionName.whole(name);
        this.name = name;
        this.luo = new KeptLiveUpdate(device, host.shelf());
        this.preserved = switch (settings.preserve()) {
            case AT_PREPARE -> new AtPrepare(luo, name);
            case AT_LINK -> new AtLink(luo, name);
        };
        this.kept = new Kept(host.shelf());
        this.settings = settings;
        this.host = host;
    }

    /**
     * Closes what was left and is not to be gone on with. When it returns that has ended, also where it was kept, and so has what
     * was closed by a session of the name before: what LUO is asked for in {@link #open} is free.
     *
     * <p>Apart, for somebody who looks at a mount that is attached and not served waits until it is, be it the one who is waited for
     * here.
     *
     * @throws ErrnoException EAGAIN if who keeps the files does not answer
     */
    public void tidy() {
        left = kept.left(luo.kernel());
        left.ifPresentOrElse(
                was -> preserved.tidy(luo, was.progress().state() == State.PREPARED),
                () -> luo.closeFound(part -> true));
        luo.settle();
    }

    /**
     * Opens the session, after {@link #tidy}.
     *
     * @throws ErrnoException as {@link Session#open}
     */
    public Session open() {
        Session session = left.isPresent() ? resumed(left.get()) : begun();
        luo.closeFound();
        return session;
    }

    private Session begun() {
        Optional<Incoming> incoming;
        try {
            incoming = Incoming.retrieve(luo, name);
        } catch (ErrnoException e) {
            if (!e.is(Errno.EIO)) {
                throw e;
            }
            return restored(
                    lost("LUO does not work until the next reboot, for this kernel could not understand what the"
                            + " last one handed over; nothing could be restored: " + e.getMessage()),
                    Optional.empty());
        }
        Optional<Recovery> recovery = incoming.flatMap(this::recover);
        if (recovery.isPresent()) {
            return restored(recovery.get(), incoming);
        }
        incoming.ifPresent(Incoming::close);
        return fresh();
    }

    /** Whatever goes wrong: what was left stays open, for closing it frees what was not retrieved. */
    private Optional<Recovery> recover(Incoming incoming) {
        try {
            return Recovery.of(incoming, name, settings);
        } catch (RuntimeException e) {
            log.info("session {} could not be restored", name, e);
            return Optional.of(lost("the session could not be restored: " + e.getMessage()));
        }
    }

    private Recovery lost(String why) {
        return Recovery.lost(name, settings, why);
    }

    private Session fresh() {
        Entries entries = entries(Recovery.fresh(name, settings));
        Handover handover = handover(entries, Optional.empty());
        try {
            entries.held().begin();
            entries.keep();
            kept.progress(Progress.of(luo.kernel(), State.NORMAL));
            return session(entries, handover, State.NORMAL, "");
        } catch (RuntimeException e) {
            handover.close();
            throw e;
        }
    }

    private Session restored(Recovery recovery, Optional<Incoming> incoming) {
        Entries entries = entries(recovery);
        State state = recovery.damage().isPresent() ? State.FAILED : State.UPDATED;
        String error =
                recovery.damage().map(Opening::damaged).or(recovery::missing).orElse("");
        if (state == State.FAILED) {
            log.error(FAILED, name, error, name);
        } else {
            entries.applySettings();
            if (!error.isEmpty()) {
                log.warn("session {}: {}", name, error);
            }
        }
        try {
            entries.keep();
            kept.progress(Progress.restored(luo.kernel(), state, entries.nextToken(), error));
        } catch (ErrnoException e) {
            // A restore does not fail for that: LUO's session is kept, and a crash leads here again.
            log.error("session {} is not kept: a crash would lose what changes from now on: {}", name, e.getMessage());
        }
        return session(entries, handover(entries, incoming), state, error);
    }

    /**
     * Goes on where a process that has ended left the session. Whatever it was in the midst of is as if it had not begun,
     * or is completed. If this fails, everything stays where it was left.
     */
    private Session resumed(Kept.Left left) {
        Progress progress = left.progress();
        Optional<Incoming> incoming = switch (progress.state()) {
            case UPDATED, FAILED -> Incoming.resume(luo, name);
            case NORMAL, PREPARED -> Optional.empty();
        };
        Recovery recovery = Recovery.of(left, incoming, name, settings);
        left.files().forEach(kept::drop);
        Entries entries = entries(recovery);
        if (!recovery.manifest().memfd().equals(left.manifest())) {
            kept.manifest(recovery.manifest().memfd(), () -> {});
        }
        Session session = goneOn(progress, recovery, entries, handover(entries, incoming));
        log.info("session {} goes on, {}", name, session.state());
        return session;
    }

    private Session goneOn(Progress progress, Recovery recovery, Entries entries, Handover handover) {
        State was = progress.state();
        if (was == State.NORMAL || was == State.PREPARED) {
            State state = handover.resume(was);
            String error =
                    state == was ? progress.error() : "LUO has lost what was prepared; nothing else is: prepare again";
            return session(entries, handover, state, error);
        }
        if (progress.accepted().isPresent()) {
            handover.complete(progress.accepted().get());
            handover.begin();
            return session(entries, handover, State.NORMAL, "");
        }
        if (was == State.UPDATED && recovery.damage().isPresent()) {
            String error = damaged(recovery.damage().get());
            log.error(FAILED, name, error, name);
            return session(entries, handover, State.FAILED, error);
        }
        return session(entries, handover, was, progress.error());
    }

    private static String damaged(String damage) {
        return damage + WHAT_TO_DO;
    }

    private Entries entries(Recovery recovery) {
        return new Entries(recovery, preserved, kept, settings, host);
    }

    private Handover handover(Entries entries, Optional<Incoming> incoming) {
        return new Handover(name, luo, preserved, kept, entries, incoming);
    }

    private Session session(Entries entries, Handover handover, State state, String error) {
        return new Session(new Life(name, host.shelf(), state, error), luo, entries, handover);
    }
}
