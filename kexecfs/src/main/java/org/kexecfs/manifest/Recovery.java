package org.kexecfs.manifest;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import org.kexecfs.posix.Fd;

/** One reading of a log, from its start to its end or to the first thing that is not understood. */
final class Recovery {
    private final String session;
    private final List<byte[]> kept = new ArrayList<>();
    private int keptBytes;
    private Header header;
    private long nextToken = 1;
    private long committed;
    private Optional<String> damage = Optional.empty();

    private Recovery(String session) {
        this.session = session;
        this.header = Header.of(session, Format.NEWEST);
    }

    /**
     * Reads a log.
     *
     * @param session the name that it must have
     * @param apply takes each change that is known, in order
     */
    static Recovery of(Fd memfd, String session, Consumer<Change> apply) {
        Recovery recovery = new Recovery(session);
        recovery.read(memfd, apply);
        return recovery;
    }

    /** The log's header; one like a new session's if it could not be read. */
    Header header() {
        return header;
    }

    /** Changes of kinds that this build does not know, as they were written. */
    List<byte[]> kept() {
        return kept;
    }

    /** A token above all that were seen. */
    long nextToken() {
        return nextToken;
    }

    /** How many bytes of the file count; 0 if it does not say. */
    long committed() {
        return committed;
    }

    /** What is wrong, in words. */
    Optional<String> damage() {
        return damage;
    }

    private void read(Fd memfd, Consumer<Change> apply) {
        LogReader log;
        try {
            log = new LogReader(memfd);
        } catch (Damage e) {
            damaged("", e);
            return;
        }
        committed = log.committed();
        long at = log.position();
        try {
            header = Header.read(log.next(), session);
            nextToken = header.nextToken();
            while (log.hasNext()) {
                at = log.position();
                take(log.next(), apply);
            }
        } catch (Damage e) {
            damaged(", record at byte " + at, e);
        }
    }

    private void take(ByteBuffer payload, Consumer<Change> apply) throws Damage {
        Optional<Change> known = Records.decode(payload);
        if (known.isEmpty()) {
            keep(payload);
            return;
        }
        Change change = known.get();
        try {
            apply.accept(change);
        } catch (BrokenChange e) {
            throw new Damage("it does not fit: " + e.getMessage());
        }
        nextToken = Math.max(nextToken, change.used() + 1);
    }

    private void keep(ByteBuffer payload) throws Damage {
        keptBytes += payload.remaining();
        if (keptBytes > Bounds.UNKNOWN_CHANGES) {
            throw new Damage(
                    "more than " + Bounds.UNKNOWN_CHANGES + " bytes of changes that only a newer kexecfs knows");
        }
        byte[] bytes = new byte[payload.remaining()];
        payload.get(bytes);
        kept.add(bytes);
    }

    private void damaged(String where, Damage cause) {
        damage = Optional.of("manifest of session '" + Bytes.of(session) + "'" + where + ": " + cause.getMessage());
    }
}
