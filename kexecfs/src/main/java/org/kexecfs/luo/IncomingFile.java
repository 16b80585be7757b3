package org.kexecfs.luo;

import java.nio.file.Path;

/**
 * A file that came over a kexec of the emulation: what LUO keeps of a memfd, besides its contents.
 *
 * @param size bytes
 * @param position of the open file
 * @param seals F_SEAL_*
 */
record IncomingFile(long size, long position, int seals) {
    static IncomingFile read(Path file) {
        Facts facts = Facts.read(file);
        return new IncomingFile(facts.get("size"), facts.get("position"), (int) facts.get("seals"));
    }

    void write(Path file) {
        Facts.of("size", size, "position", position, "seals", seals).write(file).close();
    }
}
