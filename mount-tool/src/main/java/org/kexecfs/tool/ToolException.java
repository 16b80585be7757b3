package org.kexecfs.tool;

/** A command's failure, in words for its user: the object, the cause and, where there is one, the next step. */
final class ToolException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final int exit;

    /**
     * A failure.
     *
     * @param exit the command's exit code
     * @param message what is printed after {@code kexecfs: }
     */
    ToolException(int exit, String message) {
        super(message);
        this.exit = exit;
    }

    /** A failure that another one led to; {@code --debug} shows it. */
    ToolException(int exit, String message, Throwable cause) {
        super(message, cause);
        this.exit = exit;
    }

    int exit() {
        return exit;
    }
}
