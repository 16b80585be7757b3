package org.kexecfs.tool;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.kexecfs.mount.MountTable.MountedSession;

class SessionInfoTest {
    @Test
    void readsKeysAndValuesWithSpaces() {
        assertEquals(
                Map.of("interface", "1", "backend", "emulated /tmp/a b", "entries", "3"),
                SessionInfo.parse("interface 1\nbackend emulated /tmp/a b\nentries 3\nnovalue\n"));
    }

    @Test
    void saysWhatItWasNotTold() {
        SessionInfo dead = new SessionInfo(
                new MountedSession("s", Path.of("/m"), 1, 2), Map.of("state", "dead"), Optional.empty());

        assertEquals("dead", dead.state());
        assertEquals("-", dead.shown("bytes"));
        assertEquals(Optional.empty(), dead.number("bytes"));
    }
}
