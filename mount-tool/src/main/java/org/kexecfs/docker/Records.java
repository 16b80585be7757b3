package org.kexecfs.docker;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.mount.RuntimeDirectory;
import org.kexecfs.posix.ErrnoException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The records of volumes: a file each, {@code NAME.json}, in a directory that one process has at a time.
 *
 * <p>A record is whole or not there: it is written beside, made safe, and renamed. Who used a volume is true for the boot in
 * which it was written: after another, no container has it.
 *
 * <p>Used by several threads, of a volume by one at a time.
 */
public final class Records implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(Records.class);

    private static final String RECORD = ".json";
    private static final String UNFINISHED = ".new";
    private static final String DAMAGED = ".damaged";
    private static final JsonFactory JSON = new JsonFactory();

    private final Path directory;
    private final String boot;
    private final FileChannel lock;

    private Records(Path directory, String boot, FileChannel lock) {
        this.directory = directory;
        this.boot = boot;
        this.lock = lock;
    }

    /**
     * Takes the directory, which is made if it is missing.
     *
     * @throws ErrnoException EBUSY if another process has it; EACCES if it cannot be made or written
     */
    public static Records open(Path directory) {
        try {
            return open(
                    directory,
                    Files.readString(Path.of("/proc/sys/kernel/random/boot_id")).strip());
        } catch (IOException e) {
            throw failed("which boot this is cannot be found out", e);
        }
    }

    /**
     * {@link #open(Path)} in some boot.
     *
     * @param boot what tells it from others
     */
    static Records open(Path directory, String boot) {
        RuntimeDirectory.make(directory);
        Path path = directory.resolve("lock");
        try {
            FileChannel lock = FileChannel.open(path, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
            FileLock taken = lock.tryLock();
            if (taken == null) {
                lock.close();
                throw new ErrnoException(
                        Errno.EBUSY,
                        "another docker-plugin has " + directory + "; end it, or give this one another --state");
            }
            return new Records(directory, boot, lock);
        } catch (IOException e) {
            throw failed(path + " cannot be locked", e);
        }
    }

    /** All that are there. What is none is set aside, and told of in the log. */
    Map<VolumeName, Volume> load() {
        Map<VolumeName, Volume> volumes = new HashMap<>();
        try (DirectoryStream<Path> files = Files.newDirectoryStream(directory)) {
            for (Path file : files) {
                String name = file.getFileName().toString();
                if (name.endsWith(UNFINISHED)) {
                    Files.delete(file);
                } else if (name.endsWith(RECORD)) {
                    read(file).ifPresent(volume -> volumes.put(volume.name(), volume));
                }
            }
            return volumes;
        } catch (IOException e) {
            throw failed(directory + " cannot be read", e);
        }
    }

    private Optional<Volume> read(Path file) throws IOException {
        try {
            Volume volume = parse(Files.readAllBytes(file));
            if (!file.equals(file(volume.name()))) {
                throw new IOException("it is that of volume " + volume.name());
            }
            return Optional.of(volume);
        } catch (IOException | ErrnoException | DateTimeException e) {
            Path aside = file.resolveSibling(file.getFileName() + DAMAGED);
            log.error("{} is no record of a volume, and is now {}: {}", file, aside, e.getMessage());
            Files.move(file, aside, StandardCopyOption.REPLACE_EXISTING);
            return Optional.empty();
        }
    }

    /**
     * Records a volume, instead of what was recorded of it; when this returns, it is safe.
     *
     * @throws ErrnoException EIO, with what the filesystem says; then what was recorded is unchanged
     */
    void write(Volume volume) {
        Path file = file(volume.name());
        Path unfinished = file.resolveSibling(file.getFileName() + UNFINISHED);
        try (FileChannel out = FileChannel.open(
                unfinished,
                StandardOpenOption.CREATE,
                StandardOpenOption.TRUNCATE_EXISTING,
                StandardOpenOption.WRITE)) {
            ByteBuffer bytes = ByteBuffer.wrap(encoded(volume));
            while (bytes.hasRemaining()) {
                out.write(bytes);
            }
            out.force(true);
            Files.move(unfinished, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
            sync();
        } catch (IOException e) {
            throw failed("volume " + volume.name() + " cannot be recorded in " + file, e);
        }
    }

    /**
     * Forgets a volume.
     *
     * @throws ErrnoException EIO, with what the filesystem says
     */
    void delete(VolumeName name) {
        try {
            Files.deleteIfExists(file(name));
            sync();
        } catch (IOException e) {
            throw failed("the record of volume " + name + ", " + file(name) + ", cannot be deleted", e);
        }
    }

    private void sync() throws IOException {
        try (FileChannel names = FileChannel.open(directory, StandardOpenOption.READ)) {
            names.force(true);
        }
    }

    private Path file(VolumeName name) {
        return directory.resolve(name + RECORD);
    }

    private static ErrnoException failed(String what, IOException e) {
        return new ErrnoException(Errno.EIO, what + ": " + e);
    }

    private byte[] encoded(Volume volume) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (JsonGenerator json = JSON.createGenerator(out)) {
            json.writeStartObject();
            json.writeNumberField("version", 1);
            json.writeStringField("name", volume.name().text());
            json.writeStringField("options", volume.options());
            json.writeStringField("created", volume.created().toString());
            json.writeStringField("boot", boot);
            json.writeArrayFieldStart("users");
            for (String user : volume.users()) {
                json.writeString(user);
            }
            json.writeEndArray();
            json.writeEndObject();
        }
        return out.toByteArray();
    }

    private Volume parse(byte[] text) throws IOException {
        Map<String, String> fields = new HashMap<>();
        Set<String> users = new TreeSet<>();
        try (JsonParser json = JSON.createParser(new String(text, StandardCharsets.UTF_8))) {
            require(json.nextToken() == JsonToken.START_OBJECT, "it is no object");
            while (json.nextToken() != JsonToken.END_OBJECT) {
                String field = json.currentName();
                if (json.nextToken() == JsonToken.START_ARRAY && field.equals("users")) {
                    while (json.nextToken() != JsonToken.END_ARRAY) {
                        users.add(json.getText());
                    }
                } else {
                    require(json.currentToken().isScalarValue(), field + " has no value");
                    fields.put(field, json.getText());
                }
            }
        }
        require("1".equals(fields.get("version")), "its version is " + fields.get("version") + ", and we know 1");
        require(fields.keySet().containsAll(Set.of("name", "options", "created", "boot")), "a field is missing");
        return new Volume(
                new VolumeName(fields.get("name")),
                fields.get("options"),
                Instant.parse(fields.get("created")),
                boot.equals(fields.get("boot")) ? users : Set.of());
    }

    private static void require(boolean holds, String otherwise) throws IOException {
        if (!holds) {
            throw new IOException(otherwise);
        }
    }

    @Override
    public void close() {
        try {
            lock.close();
        } catch (IOException e) {
            throw failed("the lock of " + directory, e);
        }
    }
}
