package org.kexecfs.session;

import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;

/** Tests on a machine of their own, with a session open on it; what they leave open is a failure. */
abstract class OneSession {
    @TempDir
    private Path temporary;

    /** The machine of this test. */
    Machine machine;

    /** The session as it was opened first; after a kexec the machine has another. */
    Session session;

    private final Settings.Preserve preserve;

    OneSession() {
        this(Settings.Preserve.AT_PREPARE);
    }

    /** @param preserve when files are handed to LUO */
    OneSession(Settings.Preserve preserve) {
        this.preserve = preserve;
    }

    @BeforeEach
    void openSession() {
        machine = new Machine(temporary).preserving(preserve);
        session = machine.open();
    }

    @AfterEach
    void closeMachine() {
        machine.close();
    }
}
