package org.kexecfs.luo;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The numbers and layouts of {@link Request} beside what a C compiler makes of the kernel's header. */
class RequestTest {
    private static final Map<Request, String> NUMBERS = Map.of(
            Request.CREATE_SESSION, "LIVEUPDATE_IOCTL_CREATE_SESSION",
            Request.RETRIEVE_SESSION, "LIVEUPDATE_IOCTL_RETRIEVE_SESSION",
            Request.PRESERVE_FD, "LIVEUPDATE_SESSION_PRESERVE_FD",
            Request.RETRIEVE_FD, "LIVEUPDATE_SESSION_RETRIEVE_FD",
            Request.FINISH, "LIVEUPDATE_SESSION_FINISH",
            Request.GET_NAME, "LIVEUPDATE_SESSION_GET_NAME");

    private static final Map<Request, String> STRUCTS = Map.of(
            Request.CREATE_SESSION, "struct liveupdate_ioctl_create_session",
            Request.RETRIEVE_SESSION, "struct liveupdate_ioctl_retrieve_session",
            Request.PRESERVE_FD, "struct liveupdate_session_preserve_fd",
            Request.RETRIEVE_FD, "struct liveupdate_session_retrieve_fd",
            Request.FINISH, "struct liveupdate_session_finish",
            Request.GET_NAME, "struct liveupdate_session_get_name");

    /** The structs' fields, with where we take them to be. */
    private static final Map<Request, Map<String, Integer>> FIELDS = Map.of(
            Request.CREATE_SESSION, Map.of("size", Request.SIZE_AT, "fd", Request.FD_AT, "name", Request.NAME_AT),
            Request.RETRIEVE_SESSION, Map.of("size", Request.SIZE_AT, "fd", Request.FD_AT, "name", Request.NAME_AT),
            Request.PRESERVE_FD, Map.of("size", Request.SIZE_AT, "fd", Request.FD_AT, "token", Request.TOKEN_AT),
            Request.RETRIEVE_FD, Map.of("size", Request.SIZE_AT, "fd", Request.FD_AT, "token", Request.TOKEN_AT),
            Request.FINISH, Map.of("size", Request.SIZE_AT, "reserved", 4),
            Request.GET_NAME, Map.of("size", Request.SIZE_AT, "reserved", 4, "name", Request.NAME_AT));

    @TempDir
    private Path directory;

    @Test
    void everyNumberSizeAndOffsetIsTheKernels() throws Exception {
        Map<String, Long> ours = new TreeMap<>();
        ours.put("LIVEUPDATE_SESSION_NAME_LENGTH", (long) Request.NAME_LENGTH);
        for (Request request : Request.values()) {
            String struct = STRUCTS.get(request);
            ours.put(NUMBERS.get(request), (long) request.number());
            ours.put("sizeof(" + struct + ")", (long) request.size());
            FIELDS.get(request).forEach((field, at) -> {
                ours.put("offsetof(" + struct + ", " + field + ")", (long) at);
                ours.put("sizeof(((" + struct + " *)0)->" + field + ")", (long) sizeOf(field));
            });
        }

        assertEquals(ours, evaluated(ours.keySet(), UapiHeader.find()));
    }

    private static int sizeOf(String field) {
        return switch (field) {
            case "token" -> Long.BYTES;
            case "name" -> Request.NAME_LENGTH;
            default -> Integer.BYTES;
        };
    }

    @Test
    void theHeaderHasNoRequestThatWeDoNotKnow() throws Exception {
        List<String> defined = Files.readAllLines(UapiHeader.find()).stream()
                .map(line -> line.split("\\s+"))
                .filter(words -> words[0].equals("#define") && words[1].matches("LIVEUPDATE_(IOCTL|SESSION)_.*"))
                .map(words -> words[1])
                .filter(name -> !name.equals("LIVEUPDATE_IOCTL_TYPE") && !name.equals("LIVEUPDATE_SESSION_NAME_LENGTH"))
                .sorted()
                .toList();

        assertEquals(NUMBERS.values().stream().sorted().toList(), defined);
    }

    @Test
    void anArgumentBeginsWithItsSizeAndIsZeroOtherwise() {
        for (Request request : Request.values()) {
            byte[] bytes = new byte[request.size()];
            request.argument().get(0, bytes, 0, bytes.length);
            bytes[0] -= (byte) request.size();
            assertArrayEquals(new byte[request.size()], bytes);
        }
    }

    private Map<String, Long> evaluated(Iterable<String> expressions, Path header)
            throws IOException, InterruptedException {
        StringBuilder program = new StringBuilder("#include <stddef.h>\n#include <stdio.h>\n#include \"")
                .append(header.toAbsolutePath())
                .append("\"\nint main(void) {\n");
        for (String expression : expressions) {
            program.append("    printf(\"%s\\t%ld\\n\", \"")
                    .append(expression)
                    .append("\", (long)(")
                    .append(expression)
                    .append("));\n");
        }
        Path source = Files.writeString(directory.resolve("abi.c"), program.append("    return 0;\n}\n"));
        Path binary = directory.resolve("abi");
        output(List.of("cc", "-Wall", "-Werror", "-o", binary.toString(), source.toString()));

        Map<String, Long> values = new TreeMap<>();
        output(List.of(binary.toString()))
                .lines()
                .map(line -> line.split("\t"))
                .forEach(pair -> values.put(pair[0], Long.valueOf(pair[1])));
        return values;
    }

    private static String output(List<String> command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String said = new String(process.getInputStream().readAllBytes());
        assertEquals(0, process.waitFor(), () -> command + " said: " + said);
        return said;
    }
}
