package org.kexecfs.manifest;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Objects;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;

/**
 * The first record of a manifest: in which format it is, who may read it, and whose it is. It keeps fields of newer writers when it
 * is written again.
 *
 * @param record as it was read, or is to be written
 */
record Header(Wire.Header record) {
    private static final String THIS = "kexecfs "
            + Objects.requireNonNullElse(Header.class.getPackage().getImplementationVersion(), "(unpackaged)");

    /**
     * The header of a new session.
     *
     * @param session its name; EINVAL if it is none
     */
    static Header of(String session) {
        byte[] name = session.getBytes(StandardCharsets.UTF_8);
        if (name.length > Bounds.SESSION) {
            throw new ErrnoException(
                    Errno.EINVAL,
                    "a session's name of " + name.length + " bytes, and " + Bounds.SESSION + " are the most");
        }
        return new Header(Wire.Header.newBuilder()
                .setSession(ByteString.copyFrom(Name.of(name).bytes()))
                .build());
    }

    /** The same, as it begins a log that this build writes. */
    Header written(Format format, long nextToken) {
        return new Header(record.toBuilder()
                .setFormat(format.number())
                .setOldestReader(format.oldestReader())
                .setWriter(THIS)
                .setNextToken(nextToken)
                .build());
    }

    /**
     * Reads a header.
     *
     * @param session the name that it must have
     * @throws Damage if it is none, of another session, or of a format that is not understood
     */
    static Header read(ByteBuffer payload, String session) throws Damage {
        Wire.Header record;
        try {
            record = Wire.Header.parseFrom(payload);
        } catch (InvalidProtocolBufferException e) {
            throw new Damage("it is no header: " + e.getMessage());
        }
        Header header = new Header(record);
        header.checkFormat();
        header.checkSession(session);
        if (record.getNextToken() < 1 || record.getNextToken() > Bounds.TOKEN + 1) {
            throw new Damage("its next token is " + Long.toUnsignedString(record.getNextToken()));
        }
        return header;
    }

    /** The format to go on writing in: its own, or the newest that this build has. */
    Format format() {
        boolean newer = Integer.compareUnsigned(record.getFormat(), Format.NEWEST.number()) > 0;
        return newer ? Format.NEWEST : Format.of(record.getFormat());
    }

    /** The session's name. */
    String session() {
        return record.getSession().toStringUtf8();
    }

    /** Every token of the session when it was written is below it. */
    long nextToken() {
        return record.getNextToken();
    }

    private void checkFormat() throws Damage {
        int format = record.getFormat();
        int oldest = record.getOldestReader();
        if (oldest < 1 || Integer.compareUnsigned(format, oldest) < 0) {
            throw new Damage("it names no format (" + told(format) + ", oldest reader " + told(oldest) + ")");
        }
        if (Integer.compareUnsigned(oldest, Format.NEWEST.number()) > 0) {
            throw new Damage("'" + text(record.getWriter()) + "' wrote it in format " + told(format)
                    + ", which takes a reader of format "
                    + told(oldest) + ", and this is " + THIS + ", which reads up to " + Format.NEWEST.number()
                    + ": mount the session with the kexecfs that wrote it or a newer one, or have that one write format "
                    + Format.NEWEST.number() + " before the next kexec");
        }
    }

    private void checkSession(String session) throws Damage {
        if (!record.getSession().equals(ByteString.copyFromUtf8(session))) {
            throw new Damage("it is the manifest of session '"
                    + Escaped.text(record.getSession().toByteArray()) + "'");
        }
    }

    private static String told(int number) {
        return Integer.toUnsignedString(number);
    }

    private static String text(String untrusted) {
        return Bytes.of(untrusted.substring(0, Math.min(untrusted.length(), Bounds.NAME)))
                .toString();
    }
}
