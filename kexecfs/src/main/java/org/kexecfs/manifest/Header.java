package org.kexecfs.manifest;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Objects;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;

/**
 * The first record of a manifest, message Header of manifest.proto: in which format it is, who may read it, and whose
 * it is.
 *
 * @param format the format's number, 1 or more
 * @param oldestReader the oldest format whose readers understand it, 1 to {@code format}
 * @param writer who wrote it, for people
 * @param session the session's name
 * @param nextToken every token of the session when it was written is below it, 1 to {@link Bounds#TOKEN} + 1
 * @param generation how often the log was written anew: of two logs of a session, the higher one counts
 * @param unknown fields of a newer writer, kept when the header is written again
 */
record Header(
        long format, long oldestReader, Bytes writer, Bytes session, long nextToken, long generation, Bytes unknown) {
    /** This build, as a writer. */
    static final Bytes THIS = Bytes.of("kexecfs "
            + Objects.requireNonNullElse(Header.class.getPackage().getImplementationVersion(), "(unpackaged)"));

    private static final int FORMAT = 1;
    private static final int OLDEST_READER = 2;
    private static final int WRITER = 3;
    private static final int SESSION = 4;
    private static final int NEXT_TOKEN = 5;
    private static final int GENERATION = 6;

    /**
     * The header of a new session.
     *
     * @param session its name; EINVAL if it is none
     */
    static Header of(String session, Format format) {
        byte[] name = session.getBytes(StandardCharsets.UTF_8);
        if (name.length > Bounds.SESSION) {
            throw new ErrnoException(
                    Errno.EINVAL,
                    "a session's name of " + name.length + " bytes, and " + Bounds.SESSION + " are the most");
        }
        return new Header(
                format.number(),
                format.oldestReader(),
                THIS,
                Bytes.of(Name.of(name).bytes()),
                1,
                0,
                Bytes.EMPTY);
    }

    /** The same session's, as it begins a log that this build writes now. */
    Header rewritten(Format newFormat, long newNextToken) {
        return new Header(
                newFormat.number(), newFormat.oldestReader(), THIS, session, newNextToken, generation + 1, unknown);
    }

    /** The header as a frame's payload. */
    byte[] encode() {
        return new FieldWriter()
                .uint(FORMAT, format)
                .uint(OLDEST_READER, oldestReader)
                .bytes(WRITER, writer.toArray())
                .bytes(SESSION, session.toArray())
                .uint(NEXT_TOKEN, nextToken)
                .uint(GENERATION, generation)
                .whole(unknown)
                .toArray();
    }

    /**
     * Reads a header.
     *
     * @param expected the session's name that it must have
     * @throws Damage if it is none, of a format that is not understood, or of another session
     */
    static Header read(ByteBuffer payload, String expected) throws Damage {
        Header header = decode(new FieldReader(payload));
        header.checkFormat();
        if (!header.session.equals(Bytes.of(expected))) {
            throw new Damage("it is the manifest of session '" + header.session + "'");
        }
        if (header.nextToken < 1 || header.nextToken > Bounds.TOKEN + 1) {
            throw new Damage("its next token is " + Long.toUnsignedString(header.nextToken));
        }
        if (header.generation < 0 || header.generation == Long.MAX_VALUE) {
            throw new Damage("its generation is " + Long.toUnsignedString(header.generation));
        }
        return header;
    }

    /** The format to go on writing in: its own, or the newest that this build has. */
    Format toWrite() {
        return format > Format.NEWEST.number() ? Format.NEWEST : Format.of((int) format);
    }

    private static Header decode(FieldReader fields) throws Damage {
        long format = 0;
        long oldestReader = 0;
        Bytes writer = Bytes.EMPTY;
        Bytes session = Bytes.EMPTY;
        long nextToken = 0;
        long generation = 0;
        FieldWriter unknown = new FieldWriter();
        while (fields.next()) {
            switch (fields.number()) {
                case FORMAT -> format = fields.uint32();
                case OLDEST_READER -> oldestReader = fields.uint32();
                case WRITER -> writer = fields.bytes();
                case SESSION -> session = fields.bytes();
                case NEXT_TOKEN -> nextToken = fields.uint64();
                case GENERATION -> generation = fields.uint64();
                default -> unknown.whole(fields.whole());
            }
        }
        return new Header(format, oldestReader, writer, session, nextToken, generation, Bytes.of(unknown.toArray()));
    }

    private void checkFormat() throws Damage {
        if (oldestReader < 1 || format < oldestReader) {
            throw new Damage("it names no format (" + format + ", oldest reader " + oldestReader + ")");
        }
        int ours = Format.NEWEST.number();
        if (oldestReader > ours) {
            throw new Damage("'" + writer + "' wrote it in format " + format + ", which takes a reader of format "
                    + oldestReader + ", and this is " + THIS + ", which reads up to " + ours
                    + ": mount the session with the kexecfs that wrote it or a newer one, or have it write format "
                    + ours + " before the next kexec");
        }
    }
}
