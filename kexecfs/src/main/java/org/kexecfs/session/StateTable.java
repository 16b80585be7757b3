package org.kexecfs.session;

import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;

/**
 * The state machine, all of it: what each state answers to each operation.
 *
 * <p>Nobody else compares states: a session asks here whether an operation may run, and what it must do.
 */
final class StateTable {
    /** What a state answers to an operation. */
    sealed interface Answer {}

    /** It may run, and the state is what it was. */
    record Allowed() implements Answer {}

    /** It is done already: success, and nothing to do. */
    record Done() implements Answer {}

    /** The arrow's work is to be done; if it succeeds the state is {@code next}, if not what it was. */
    record Go(Work work, State next) implements Answer {}

    /** It may not run. */
    record Refused(Errno errno, String why) implements Answer {}

    /** The work beside an arrow. */
    enum Work {
        /** Hand the manifest and every entry to LUO. */
        HAND_OVER,
        /** Take everything back from LUO. */
        TAKE_BACK,
        /** Drop the entries that were not restored, keep the rest, let LUO go. */
        ACCEPT
    }

    private static final Answer ALLOWED = new Allowed();
    private static final Answer DONE = new Done();

    private StateTable() {}

    /** What {@code state} answers to {@code operation}. */
    static Answer answer(State state, Operation operation) {
        return switch (state) {
            case NORMAL ->
                switch (operation) {
                    case PREPARE -> new Go(Work.HAND_OVER, State.PREPARED);
                    case CANCEL -> new Refused(Errno.EINVAL, "nothing is prepared");
                    case FINISH -> new Refused(Errno.EINVAL, "there was no update to finish");
                    case NAMESPACE, UNLINK, RESIZE -> ALLOWED;
                };
            case PREPARED ->
                switch (operation) {
                    case PREPARE -> DONE;
                    case CANCEL -> new Go(Work.TAKE_BACK, State.NORMAL);
                    case FINISH -> new Refused(Errno.EINVAL, "there was no update to finish; cancel ends a prepare");
                    case NAMESPACE, UNLINK -> new Refused(Errno.EBUSY, "entries are fixed from prepare to cancel");
                    case RESIZE -> new Refused(Errno.EPERM, "sizes are fixed from prepare to cancel");
                };
            case UPDATED ->
                switch (operation) {
                    case PREPARE -> new Refused(Errno.EBUSY, "the last update is not finished");
                    case CANCEL -> new Refused(Errno.EINVAL, "nothing is prepared");
                    case FINISH -> new Go(Work.ACCEPT, State.NORMAL);
                    case NAMESPACE, UNLINK, RESIZE -> ALLOWED;
                };
            case FAILED ->
                switch (operation) {
                    case PREPARE, NAMESPACE, RESIZE ->
                        new Refused(Errno.EIO, "the last update failed; see kexecfs.error, then finish");
                    case CANCEL -> new Refused(Errno.EINVAL, "nothing is prepared");
                    case FINISH -> new Go(Work.ACCEPT, State.NORMAL);
                    case UNLINK -> ALLOWED;
                };
        };
    }

    /**
     * Returns if {@code operation} may run.
     *
     * @throws ErrnoException with the table's errno if it may not
     */
    static void check(State state, Operation operation) {
        if (answer(state, operation) instanceof Refused refused) {
            throw new ErrnoException(refused.errno(), "state " + state + ": " + refused.why());
        }
    }
}
