package org.kexecfs.docker;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.List;
import org.kexecfs.posix.ErrnoException;

/**
 * What the engine is told.
 *
 * @param status HTTP's
 * @param json an object
 */
record Reply(int status, byte[] json) {
    private static final int OK = 200;
    private static final JsonFactory JSON = new JsonFactory();

    private interface Fields {
        void write(JsonGenerator json) throws IOException;
    }

    private static Reply of(int status, Fields fields) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (JsonGenerator json = JSON.createGenerator(out)) {
            json.writeStartObject();
            fields.write(json);
            json.writeEndObject();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return new Reply(status, out.toByteArray());
    }

    static Reply activated() {
        return of(OK, json -> {
            json.writeArrayFieldStart("Implements");
            json.writeString("VolumeDriver");
            json.writeEndArray();
        });
    }

    /** The volumes are this host's own. */
    static Reply capabilities() {
        return of(OK, json -> {
            json.writeObjectFieldStart("Capabilities");
            json.writeStringField("Scope", "local");
            json.writeEndObject();
        });
    }

    static Reply done() {
        return of(OK, json -> json.writeStringField("Err", ""));
    }

    static Reply mountpoint(Path path) {
        return of(OK, json -> {
            json.writeStringField("Mountpoint", path.toString());
            json.writeStringField("Err", "");
        });
    }

    static Reply volume(Volume volume, Volumes volumes) {
        return of(OK, json -> {
            json.writeFieldName("Volume");
            write(json, volume, volumes);
            json.writeStringField("Err", "");
        });
    }

    static Reply all(List<Volume> all, Volumes volumes) {
        return of(OK, json -> {
            json.writeArrayFieldStart("Volumes");
            for (Volume volume : all) {
                write(json, volume, volumes);
            }
            json.writeEndArray();
            json.writeStringField("Err", "");
        });
    }

    private static void write(JsonGenerator json, Volume volume, Volumes volumes) throws IOException {
        json.writeStartObject();
        json.writeStringField("Name", volume.name().text());
        json.writeStringField("Mountpoint", volumes.path(volume.name()).toString());
        json.writeStringField("CreatedAt", volume.created().toString());
        json.writeObjectFieldStart("Status");
        json.writeStringField("options", volume.options());
        json.writeNumberField("users", volume.users().size());
        json.writeEndObject();
        json.writeEndObject();
    }

    /** A failure, whose words the engine passes on to its user. */
    static Reply failed(ErrnoException e) {
        return failed(status(e), e.getMessage());
    }

    static Reply failed(SessionException e) {
        return failed(e.isBusy() ? 409 : 500, e.getMessage());
    }

    static Reply failed(int status, String why) {
        return of(status, json -> json.writeStringField("Err", why));
    }

    private static int status(ErrnoException e) {
        return switch (e.errno()) {
            case EINVAL -> 400;
            case EPERM, EACCES -> 403;
            case ENOENT, ENOSYS -> 404;
            case EOPNOTSUPP -> 405;
            case EBUSY, EEXIST -> 409;
            case EMSGSIZE -> 413;
            default -> 500;
        };
    }
}
