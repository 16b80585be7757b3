package org.kexecfs.tool;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonGenerator.Feature;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Map;

/** Writes what {@code --json} promises: one array of flat objects, and a newline. */
final class Json {
    private Json() {}

    /**
     * Writes the array.
     *
     * @param objects their values are String, Long or null
     */
    static void write(PrintWriter out, List<Map<String, Object>> objects) {
        try (JsonGenerator json = new JsonFactory().createGenerator(out).disable(Feature.AUTO_CLOSE_TARGET)) {
            json.useDefaultPrettyPrinter();
            json.writeStartArray();
            for (Map<String, Object> object : objects) {
                json.writeStartObject();
                for (Map.Entry<String, Object> field : object.entrySet()) {
                    json.writeFieldName(field.getKey());
                    value(json, field.getValue());
                }
                json.writeEndObject();
            }
            json.writeEndArray();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        out.println();
    }

    private static void value(JsonGenerator json, Object value) throws IOException {
        switch (value) {
            case null -> json.writeNull();
            case Long number -> json.writeNumber(number);
            default -> json.writeString(value.toString());
        }
    }
}
