package org.kexecfs.manifest;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.kexecfs.posix.Fd;

/** What a reading gave, all of it. */
record Read(Manifest manifest, List<Change> changes, Optional<String> damage) implements AutoCloseable {
    static final String SESSION = "vm1";

    static Read of(Fd memfd) {
        List<Change> changes = new ArrayList<>();
        Manifest.Recovered recovered = Manifest.read(memfd, SESSION, changes::add);
        return new Read(recovered.manifest(), changes, recovered.damage());
    }

    static Read of(byte[] bytes) {
        return of(Raw.memfd(bytes));
    }

    /** What a crash now would leave of a manifest, read again. */
    static Read again(Manifest manifest) {
        return of(manifest.memfd().dup());
    }

    @Override
    public void close() {
        manifest.close();
    }
}
