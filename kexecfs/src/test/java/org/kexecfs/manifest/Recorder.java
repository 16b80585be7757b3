package org.kexecfs.manifest;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.kexecfs.posix.Fd;

/** A memfd that remembers every write to it. */
final class Recorder implements Pwrite {
    /** One pwrite(2). */
    record Write(byte[] bytes, long offset) {}

    private final Fd memfd;
    private final List<Write> writes = new ArrayList<>();

    /** Writes to a new memfd. */
    Recorder() {
        this(Fd.memfd("kexecfs:test"));
    }

    /** Writes to a memfd that is there. */
    Recorder(Fd memfd) {
        this.memfd = memfd;
    }

    @Override
    public void pwrite(byte[] bytes, long offset) {
        writes.add(new Write(bytes.clone(), offset));
        memfd.pwrite(bytes, offset);
    }

    /** A new manifest in it. */
    Manifest begin(Change... state) {
        return begin(Header.of(Read.SESSION, Format.V1), state);
    }

    /** A new manifest in it, with this header. */
    Manifest begin(Header header, Change... state) {
        return Manifest.begin(memfd, this, header, List.of(), Stream.of(state));
    }

    /** The manifest that is in it. */
    Manifest read() {
        return Manifest.read(memfd, this, Read.SESSION, _ -> {}).manifest();
    }

    /** All writes so far, in their order. */
    List<Write> writes() {
        return writes;
    }
}
