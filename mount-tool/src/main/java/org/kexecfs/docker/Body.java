package org.kexecfs.docker;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadFeature;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;

/**
 * What the engine says in a call: an object, of whose fields these are of interest, and others are passed over.
 *
 * @param name {@code Name}, a volume's
 * @param id {@code ID}, that of who uses it
 * @param options {@code Opts}
 */
record Body(Optional<String> name, Optional<String> id, Map<String, String> options) {
    private static final int LONGEST_ID = 255;

    private static final JsonFactory JSON = JsonFactory.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .build();

    /**
     * Reads it.
     *
     * @param bytes JSON; nothing at all is an object without fields
     * @throws ErrnoException EINVAL, with what is wrong with it
     */
    static Body parse(byte[] bytes) {
        if (bytes.length == 0) {
            return new Body(Optional.empty(), Optional.empty(), Map.of());
        }
        try (JsonParser json = JSON.createParser(bytes)) {
            if (json.nextToken() != JsonToken.START_OBJECT) {
                throw invalid("it is no object");
            }
            Body body = object(json);
            if (json.nextToken() != null) {
                throw invalid("there is more behind its object");
            }
            return body;
        } catch (JsonProcessingException e) {
            throw invalid(e.getOriginalMessage());
        } catch (IOException e) {
            throw invalid(e.getMessage());
        }
    }

    private static Body object(JsonParser json) throws IOException {
        Optional<String> name = Optional.empty();
        Optional<String> id = Optional.empty();
        Map<String, String> options = Map.of();
        while (json.nextToken() != JsonToken.END_OBJECT) {
            String field = json.currentName();
            json.nextToken();
            switch (field) {
                case "Name" -> name = Optional.of(string(json, field));
                case "ID" -> id = Optional.of(string(json, field));
                case "Opts" -> options = strings(json);
                default -> json.skipChildren();
            }
        }
        return new Body(name, id, options);
    }

    /** {@code null} is the engine's way to say that there are none. */
    private static Map<String, String> strings(JsonParser json) throws IOException {
        if (json.currentToken() == JsonToken.VALUE_NULL) {
            return Map.of();
        }
        if (json.currentToken() != JsonToken.START_OBJECT) {
            throw invalid("Opts is no object");
        }
        Map<String, String> strings = new LinkedHashMap<>();
        while (json.nextToken() != JsonToken.END_OBJECT) {
            String field = json.currentName();
            json.nextToken();
            strings.put(field, string(json, "option " + field));
        }
        return strings;
    }

    private static String string(JsonParser json, String field) throws IOException {
        if (json.currentToken() != JsonToken.VALUE_STRING) {
            throw invalid(field + " is no string");
        }
        return json.getText();
    }

    private static ErrnoException invalid(String why) {
        return new ErrnoException(Errno.EINVAL, "the request's body is not what the engine sends: " + why);
    }

    /**
     * The volume's name.
     *
     * @throws ErrnoException EINVAL if there is none, or it is none
     */
    VolumeName requiredName() {
        return new VolumeName(name.orElseThrow(() -> invalid("it has no Name")));
    }

    /**
     * The id of who uses it.
     *
     * @throws ErrnoException EINVAL if there is none, or it has not 1 to 255 characters
     */
    String requiredId() {
        return id.filter(text -> !text.isEmpty() && text.length() <= LONGEST_ID)
                .orElseThrow(() -> invalid("it has no ID of 1 to " + LONGEST_ID + " characters"));
    }
}
