package org.kexecfs.manifest;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import jnr.constants.platform.linux.Errno;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.kexecfs.posix.ErrnoException;

class NameTest {
    @ParameterizedTest
    @ValueSource(strings = {"", ".", "..", "a/b", "/", "a\0b"})
    void whatIsNoComponentOfAPathIsRefused(String text) {
        assertTrue(assertThrows(ErrnoException.class, () -> Name.of(text)).is(Errno.EINVAL));
    }

    @Test
    void aNameHasAtMost255Bytes() {
        assertEquals(255, Name.of("n".repeat(255)).bytes().length);
        assertTrue(assertThrows(ErrnoException.class, () -> Name.of("n".repeat(256)))
                .is(Errno.ENAMETOOLONG));
        assertTrue(assertThrows(ErrnoException.class, () -> Name.of("é".repeat(128)))
                .is(Errno.ENAMETOOLONG));
    }

    @ParameterizedTest
    @ValueSource(strings = {"...", ".a", "..a", " ", "kexecfs.state", "日本"})
    void whatLooksSpecialButIsNoneIsAName(String text) {
        assertEquals(text, Name.of(text).toString());
    }

    @Test
    void aNameKeepsItsBytesWhoeverHoldsTheArray() {
        byte[] bytes = {'a', (byte) 0xff};
        Name name = Name.of(bytes);
        bytes[0] = 'b';
        name.bytes()[0] = 'c';
        assertArrayEquals(new byte[] {'a', (byte) 0xff}, name.bytes());
    }

    @ParameterizedTest
    @CsvSource(
            quoteCharacter = '"',
            value = {
                "61 09 62, a\\011b",
                "0a, \\012",
                "5c, \\134",
                "7f, \\177",
                "c3 a9, é",
                "c2 85, \\302\\205",
                "ff 61, \\377a",
                "e2 82, \\342\\202",
                "61 e2 28, a\\342(",
                "f0 9f 98 80, 😀",
            })
    void asTextItFitsOneFieldOfOneLine(String hex, String text) {
        assertEquals(text, Name.of(bytes(hex)).toString());
    }

    @Test
    void namesAreInTheOrderOfTheirBytes() {
        assertTrue(Name.of("a").compareTo(Name.of("b")) < 0);
        assertTrue(Name.of("a").compareTo(Name.of("ab")) < 0);
        assertTrue(Name.of(bytes("ff")).compareTo(Name.of("a")) > 0);
    }

    @Property
    void differentNamesAreDifferentAsText(@ForAll("names") Name one, @ForAll("names") Name other) {
        assertEquals(one.equals(other), one.toString().equals(other.toString()));
        assertEquals(one.equals(other), one.compareTo(other) == 0);
        assertEquals(one, Name.of(one.bytes()));
        assertEquals(one.hashCode(), Name.of(one.bytes()).hashCode());
        assertFalse(one.toString().chars().anyMatch(Character::isISOControl));
        assertNotEquals(0, one.toString().length());
    }

    @Provide
    Arbitrary<Name> names() {
        return Changes.names();
    }

    private static byte[] bytes(String hex) {
        return java.util.HexFormat.ofDelimiter(" ").parseHex(hex);
    }

    @Test
    void textOfANameThatIsUtf8IsThatUtf8() {
        assertArrayEquals("ä".getBytes(StandardCharsets.UTF_8), Name.of("ä").bytes());
    }
}
