package org.kexecfs.manifest;

import java.nio.ByteBuffer;
import java.util.Optional;
import org.kexecfs.posix.ErrnoException;

/**
 * Changes as records of the log, and back: the messages of manifest.proto, whose names and numbers these are. What a
 * record says is checked here; what it means for the tree is not.
 */
final class Records {
    private static final int CHANGE_PUT = 1;
    private static final int CHANGE_REMOVE = 2;
    private static final int CHANGE_LINK = 3;
    private static final int CHANGE_UNLINK = 4;
    private static final int CHANGE_CYCLE = 5;
    private static final int CHANGE_CRITICAL = 15;
    private static final int REMOVE_TOKEN = 1;
    private static final int LINK_PARENT = 1;
    private static final int LINK_NAME = 2;
    private static final int LINK_TOKEN = 3;
    private static final int CYCLE_UPDATES = 1;

    private Records() {}

    /** A change as a frame's payload. */
    static byte[] encode(Change change) {
        FieldWriter record = new FieldWriter();
        switch (change) {
            case Change.Put(Node node) -> record.record(CHANGE_PUT, NodeRecord.encode(node));
            case Change.Remove(long token) -> record.record(CHANGE_REMOVE, new FieldWriter().uint(REMOVE_TOKEN, token));
            case Change.Link(long parent, Name name, long token) ->
                record.record(CHANGE_LINK, name(parent, name).uint(LINK_TOKEN, token));
            case Change.Unlink(long parent, Name name) -> record.record(CHANGE_UNLINK, name(parent, name));
            case Change.Cycle(long updates) ->
                record.record(CHANGE_CYCLE, new FieldWriter().uint(CYCLE_UPDATES, updates));
        }
        return record.toArray();
    }

    /**
     * The change that a frame's payload says.
     *
     * @return empty if it is of a kind that this build does not know, and need not know
     * @throws Damage if it cannot be understood
     */
    static Optional<Change> decode(ByteBuffer payload) throws Damage {
        FieldReader fields = new FieldReader(payload);
        Change change = null;
        boolean more = false;
        boolean critical = false;
        while (fields.next()) {
            more |= change != null;
            switch (fields.number()) {
                case CHANGE_PUT, CHANGE_REMOVE, CHANGE_LINK, CHANGE_UNLINK, CHANGE_CYCLE -> change = known(fields);
                case CHANGE_CRITICAL -> critical = fields.bool();
                default -> more = true;
            }
        }
        if (change != null && (more || critical)) {
            throw notKnown();
        }
        if (critical) {
            throw new Damage("it is a change that only a newer kexecfs knows, and that one says that it must be known");
        }
        if (change == null && !more) {
            throw new Damage("it says nothing");
        }
        return Optional.ofNullable(change);
    }

    private static Change known(FieldReader change) throws Damage {
        FieldReader fields = change.record();
        try {
            return switch (change.number()) {
                case CHANGE_PUT -> new Change.Put(NodeRecord.decode(fields));
                case CHANGE_REMOVE -> remove(fields);
                case CHANGE_LINK -> link(fields);
                case CHANGE_CYCLE -> cycle(fields);
                default -> unlink(fields);
            };
        } catch (ErrnoException e) {
            throw new Damage("it holds " + e.getMessage());
        }
    }

    private static FieldWriter name(long parent, Name name) {
        return new FieldWriter().uint(LINK_PARENT, parent).bytes(LINK_NAME, name.bytes());
    }

    private static Change remove(FieldReader fields) throws Damage {
        long token = 0;
        while (fields.next()) {
            switch (fields.number()) {
                case REMOVE_TOKEN -> token = fields.uint64();
                default -> throw notKnown();
            }
        }
        return new Change.Remove(token);
    }

    private static Change link(FieldReader fields) throws Damage {
        long parent = 0;
        long token = 0;
        Bytes name = Bytes.EMPTY;
        while (fields.next()) {
            switch (fields.number()) {
                case LINK_PARENT -> parent = fields.uint64();
                case LINK_NAME -> name = fields.bytes();
                case LINK_TOKEN -> token = fields.uint64();
                default -> throw notKnown();
            }
        }
        return new Change.Link(parent, Name.of(name.toArray()), token);
    }

    private static Change unlink(FieldReader fields) throws Damage {
        long parent = 0;
        Bytes name = Bytes.EMPTY;
        while (fields.next()) {
            switch (fields.number()) {
                case LINK_PARENT -> parent = fields.uint64();
                case LINK_NAME -> name = fields.bytes();
                default -> throw notKnown();
            }
        }
        return new Change.Unlink(parent, Name.of(name.toArray()));
    }

    private static Change cycle(FieldReader fields) throws Damage {
        long updates = 0;
        while (fields.next()) {
            switch (fields.number()) {
                case CYCLE_UPDATES -> updates = fields.uint64();
                default -> throw notKnown();
            }
        }
        return new Change.Cycle(updates);
    }

    private static Damage notKnown() {
        return new Damage("it has fields that this kexecfs does not know");
    }
}
