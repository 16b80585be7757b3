package org.kexecfs.luo;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashMap;
import java.util.Map;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.kexecfs.posix.ErrnoException;

class SessionNameTest {
    @Property
    void anyNameIsASafeFileNameAndBack(@ForAll("names") String text) {
        String fileName = new SessionName(text).asFileName();

        assertTrue(fileName.matches("([A-Za-z0-9_-]|%[0-9A-F]{2}){1,189}"), fileName);
        assertEquals(text, SessionName.ofFileName(fileName).text());
    }

    @Provide
    Arbitrary<String> names() {
        return Arbitraries.strings().ofMinLength(1).ofMaxLength(63).filter(SessionNameTest::isName);
    }

    private static boolean isName(String text) {
        try {
            return new SessionName(text).text().equals(text);
        } catch (ErrnoException e) {
            return false;
        }
    }

    @Example
    void anInvalidNameIsToldWithTheRule() {
        Map<String, String> rules = new HashMap<>();
        rules.put("", "session name '' is empty: EINVAL (Invalid argument)");
        rules.put("..", "session name '..' is a directory's name for itself or its parent: EINVAL (Invalid argument)");
        rules.put("a\0b", "session name 'a?b' holds a NUL: EINVAL (Invalid argument)");
        rules.put(
                "x".repeat(64),
                "session name '" + "x".repeat(64) + "' has 64 bytes, and 63 is the most: EINVAL (Invalid argument)");

        rules.forEach((name, message) -> assertEquals(
                message, Check.fails(jnr.constants.platform.linux.Errno.EINVAL, () -> new SessionName(name))));
    }

    @Example
    void aSlashIsForSessionsThatAreNamedAfterAnother() {
        assertEquals("a/b", new SessionName("a/b").text());
        assertEquals(
                "session name 'a/b' holds a '/': EINVAL (Invalid argument)",
                Check.fails(jnr.constants.platform.linux.Errno.EINVAL, () -> SessionName.whole("a/b")));
    }
}
