package org.kexecfs.tool;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.kexecfs.mount.MountTable.MountedSession;

/**
 * {@code kexecfs.files}, read: a header, and a line an entry, with tabs between the columns.
 *
 * @param columns the header's names
 * @param rows the cells as the file has them, names escaped
 */
record FileList(List<String> columns, List<List<String>> rows) {
    private static final String FILE = "kexecfs.files";

    /**
     * That of a mount.
     *
     * @throws ToolException if its server is gone
     */
    static FileList read(MountedSession mount) {
        try {
            return parse(Files.readString(mount.directory().resolve(FILE)));
        } catch (IOException e) {
            String why = SessionInfo.isDead(mount.directory())
                    ? "the process that served it is gone; unmount it with 'kexecfs umount " + mount.directory() + "'"
                    : e.getMessage();
            throw new ToolException(Exit.FAILED, "cannot list " + mount.session() + ": " + why, e);
        }
    }

    /** How many entries have a status. */
    long count(String status) {
        return objects().stream()
                .filter(entry -> status.equals(entry.get("status")))
                .count();
    }

    /** Reads it. A column that this version does not know is kept. */
    static FileList parse(String text) {
        List<List<String>> lines =
                text.lines().map(line -> Arrays.asList(line.split("\t", -1))).toList();
        if (lines.isEmpty()) {
            return new FileList(List.of(), List.of());
        }
        List<String> columns = lines.getFirst();
        List<List<String>> rows = lines.subList(1, lines.size());
        rows.stream().filter(row -> row.size() != columns.size()).findFirst().ifPresent(row -> {
            throw new ToolException(Exit.FAILED, "kexecfs.files has a line that its header does not explain: " + row);
        });
        return new FileList(columns, rows);
    }

    /** The entries with their names unescaped, and numbers as numbers. */
    List<Map<String, Object>> objects() {
        return rows.stream()
                .map(row -> {
                    Map<String, Object> object = new LinkedHashMap<>();
                    for (int i = 0; i < row.size(); i++) {
                        object.put(columns.get(i), value(columns.get(i), row.get(i)));
                    }
                    return object;
                })
                .toList();
    }

    private static Object value(String column, String cell) {
        return switch (column) {
            case "token", "size" -> cell.matches("\\d{1,18}") ? (Object) Long.valueOf(cell) : cell;
            case "name" -> unescape(cell);
            default -> cell;
        };
    }

    /** Undoes {@code \ooo}, a byte of the name's UTF-8. */
    static String unescape(String cell) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream(cell.length());
        byte[] in = cell.getBytes(StandardCharsets.UTF_8);
        for (int i = 0; i < in.length; i++) {
            if (in[i] == '\\' && i + 3 < in.length) {
                bytes.write((in[i + 1] - '0') << 6 | (in[i + 2] - '0') << 3 | in[i + 3] - '0');
                i += 3;
            } else {
                bytes.write(in[i]);
            }
        }
        return bytes.toString(StandardCharsets.UTF_8);
    }
}
