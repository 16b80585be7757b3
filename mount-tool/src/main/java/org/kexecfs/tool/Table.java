package org.kexecfs.tool;

import java.io.PrintWriter;
import java.util.List;
import java.util.stream.IntStream;

/** Columns for people: as wide as they must be, the last one open. Scripts take {@code --json}. */
final class Table {
    private Table() {}

    /** Writes rows that have as many cells as the header; nothing at all if there is no row. */
    static void write(PrintWriter out, List<String> header, List<List<String>> rows) {
        if (rows.isEmpty()) {
            return;
        }
        int[] widths = IntStream.range(0, header.size())
                .map(column -> Math.max(
                        header.get(column).length(),
                        rows.stream()
                                .mapToInt(r -> r.get(column).length())
                                .max()
                                .orElse(0)))
                .toArray();
        line(out, widths, header);
        rows.forEach(row -> line(out, widths, row));
    }

    private static void line(PrintWriter out, int[] widths, List<String> cells) {
        StringBuilder line = new StringBuilder();
        for (int column = 0; column < cells.size(); column++) {
            line.append(cells.get(column));
            if (column < cells.size() - 1) {
                line.append(" ".repeat(widths[column] - cells.get(column).length() + 2));
            }
        }
        out.println(line);
    }

    /** A name as one may show it on a terminal: control characters as {@code \ooo}. */
    static String plain(String name) {
        StringBuilder plain = new StringBuilder();
        name.chars().forEach(c -> {
            if (Character.isISOControl(c)) {
                plain.append(String.format("\\%03o", c));
            } else {
                plain.append((char) c);
            }
        });
        return plain.toString();
    }
}
