package org.kexecfs.tool;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class FileListTest {
    private static final String FILES = "token\ttype\tsize\tstatus\tname\n"
            + "1\tfile\t4096\tlinked\tram0\n"
            + "2\tfile\t0\terror EIO\ta\\011b\\134c\n";

    @Test
    void readsNumbersAndNames() {
        assertEquals(
                List.of(
                        Map.of("token", 1L, "type", "file", "size", 4096L, "status", "linked", "name", "ram0"),
                        Map.of("token", 2L, "type", "file", "size", 0L, "status", "error EIO", "name", "a\tb\\c")),
                FileList.parse(FILES).objects());
    }

    @Test
    void keepsAColumnThatItDoesNotKnow() {
        assertEquals(
                List.of(Map.of("token", 1L, "owner", "root", "name", "x")),
                FileList.parse("token\towner\tname\n1\troot\tx\n").objects());
    }

    @Test
    void refusesALineThatTheHeaderDoesNotExplain() {
        assertThrows(ToolException.class, () -> FileList.parse("token\tname\n1\tx\ty\n"));
    }

    @Test
    void unescapesBytesToUtf8() {
        assertEquals("ü\n", FileList.unescape("\\303\\274\\012"));
        assertEquals("cut\\01", FileList.unescape("cut\\01"));
    }

    @Test
    void isWrittenAsJson() {
        StringWriter out = new StringWriter();
        Json.write(
                new PrintWriter(out),
                FileList.parse("token\tname\n7\tan \"ü\"\\012\n").objects());

        assertEquals("[ {\n  \"token\" : 7,\n  \"name\" : \"an \\\"ü\\\"\\n\"\n} ]\n", out.toString());
    }

    @Test
    void nothingIsAnEmptyArray() {
        StringWriter out = new StringWriter();
        Json.write(new PrintWriter(out), FileList.parse("").objects());

        assertEquals("[ ]\n", out.toString());
    }
}
