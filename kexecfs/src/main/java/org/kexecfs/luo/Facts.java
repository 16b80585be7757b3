package org.kexecfs.luo;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;

/**
 * A small file of the emulation: named numbers, a {@code name number} line each.
 *
 * @param numbers by name, in the file's order
 */
record Facts(Map<String, Long> numbers) {
    // What is longer was not written by us.
    private static final int MAX_BYTES = 1024;

    /** The names and numbers in turn. */
    static Facts of(Object... namesAndNumbers) {
        Map<String, Long> numbers = new LinkedHashMap<>();
        for (int i = 0; i < namesAndNumbers.length; i += 2) {
            numbers.put((String) namesAndNumbers[i], ((Number) namesAndNumbers[i + 1]).longValue());
        }
        return new Facts(numbers);
    }

    /**
     * Reads such a file.
     *
     * @throws ErrnoException ENOENT there is none; EIO it is not as we write them
     */
    static Facts read(Path file) {
        try (Fd fd = Fd.open(file.toString(), Fd.O_RDONLY, 0)) {
            byte[] bytes = new byte[MAX_BYTES];
            String text = new String(bytes, 0, fd.pread(bytes, 0), StandardCharsets.US_ASCII);
            Map<String, Long> numbers = new LinkedHashMap<>();
            text.lines().map(line -> line.split(" ", 2)).forEach(pair -> numbers.put(pair[0], Long.valueOf(pair[1])));
            return new Facts(numbers);
        } catch (NumberFormatException | ArrayIndexOutOfBoundsException e) {
            throw new ErrnoException(Errno.EIO, file + " is damaged");
        }
    }

    /** Writes a new file and gives it, open. */
    Fd write(Path file) {
        Fd fd = Fd.open(file.toString(), Fd.O_WRONLY | Fd.O_CREAT | Fd.O_EXCL, 0600);
        try {
            fd.pwrite(Fd.utf8(toString()), 0);
            return fd;
        } catch (ErrnoException e) {
            fd.close();
            throw e;
        }
    }

    /**
     * A number that must be there.
     *
     * @throws ErrnoException EIO it is not, or is negative
     */
    long get(String name) {
        long number = numbers.getOrDefault(name, -1L);
        if (number < 0) {
            throw new ErrnoException(Errno.EIO, "no " + name + " in a file of the emulation, or a negative one");
        }
        return number;
    }

    @Override
    public String toString() {
        return numbers.entrySet().stream()
                .map(e -> e.getKey() + " " + e.getValue() + "\n")
                .collect(Collectors.joining());
    }
}
