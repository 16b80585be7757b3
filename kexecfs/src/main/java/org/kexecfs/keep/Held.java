package org.kexecfs.keep;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiConsumer;
import org.kexecfs.posix.Fd;

/** The descriptors that a keeper holds, by name: here, and in the index that outlives it. */
final class Held {
    private final Index index;
    private final Map<String, Fd> files = new LinkedHashMap<>();

    Held(Index index) {
        this.index = index;
    }

    /** Holds this. What had the name before is closed. */
    void put(String name, Fd file) {
        index.put(file, name);
        close(files.put(name, file));
    }

    /** Closes what has the name, if anything has. */
    void remove(String name) {
        close(files.remove(name));
    }

    private void close(Fd file) {
        if (file != null) {
            index.clear(file);
            file.close();
        }
    }

    Optional<Fd> get(String name) {
        return Optional.ofNullable(files.get(name));
    }

    int size() {
        return files.size();
    }

    void forEach(BiConsumer<String, Fd> action) {
        files.forEach(action);
    }

    /** Closes all. */
    void close() {
        files.values().forEach(Fd::close);
        files.clear();
    }
}
