package org.kexecfs.log;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.kexecfs.posix.Libc;
import org.slf4j.Logger;
import org.slf4j.event.Level;

class StderrLogTest {
    private final ByteArrayOutputStream written = new ByteArrayOutputStream();

    private Logger log(boolean journal) {
        return new StderrLog("test", new PrintStream(written, true, StandardCharsets.UTF_8), journal, Level.INFO);
    }

    private String written() {
        return written.toString(StandardCharsets.UTF_8);
    }

    @Test
    void toTheJournalEachLineBeginsWithItsPriority() {
        Logger log = log(true);
        log.error("an {}", "error");
        log.warn("two\nlines");
        log.info("info");
        log.debug("nothing");

        assertEquals("<3>an error\n<4>two\n<4>lines\n<6>info\n", written());
    }

    @Test
    void ofAnExceptionEveryLineHasThePriority() {
        log(true).error("failed", new IllegalStateException("why"));

        assertTrue(written().startsWith("<3>failed\n<3>java.lang.IllegalStateException: why\n<3>\tat "), written());
    }

    @Test
    void toPeopleItIsTheTimeAndTheLevel() {
        log(false).warn("careful");

        assertTrue(written().matches("[0-9-]{10}T[0-9:.]+(Z|[+-][0-9:]+) WARN careful\n"), written());
    }

    @Test
    void stderrIsTheJournalOnlyIfItIsTheFileThatIsNamed() {
        assertFalse(Provider.isJournal(null));
        assertFalse(Provider.isJournal("1:2"));
        assertFalse(Provider.isJournal("nonsense " + Libc.C.getpid()));
    }
}
