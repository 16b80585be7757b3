package org.kexecfs.docker;

/** A session could not be mounted or ended, in words for the engine's user. */
public final class SessionException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final boolean busy;

    /**
     * A failure.
     *
     * @param busy whether somebody else has it, and it may be tried again once they have not
     * @param message the object, the cause and the next step
     */
    public SessionException(boolean busy, String message, Throwable cause) {
        super(message, cause);
        this.busy = busy;
    }

    boolean isBusy() {
        return busy;
    }
}
