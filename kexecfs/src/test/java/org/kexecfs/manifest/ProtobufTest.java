package org.kexecfs.manifest;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import java.nio.ByteBuffer;
import java.util.HexFormat;
import java.util.Optional;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What we write by hand is what protobuf makes of manifest.proto, and what protobuf writes is read. */
class ProtobufTest {
    @Property(tries = 5_000)
    void aChangeHasTheBytesThatProtobufGivesIt(@ForAll("changes") Change change) throws Exception {
        byte[] bytes = Records.encode(change);
        assertArrayEquals(protobuf(change).toByteArray(), bytes);
        assertEquals(protobuf(change), Wire.Change.parseFrom(bytes));
        assertEquals(Optional.of(change), Records.decode(ByteBuffer.wrap(bytes)));
    }

    @Property(tries = 5_000)
    void whatProtobufCannotReadWeDoNotRead(@ForAll byte[] bytes) {
        try {
            Wire.Change.parseFrom(bytes);
        } catch (InvalidProtocolBufferException e) {
            assertThrows(Damage.class, () -> Records.decode(ByteBuffer.wrap(bytes)));
        }
    }

    @Property(tries = 1_000)
    void aHeaderHasTheBytesThatProtobufGivesIt(
            @ForAll long format,
            @ForAll long token,
            @ForAll long generation,
            @ForAll String writer,
            @ForAll byte[] session) {
        Header header = new Header(
                format & 0xffffffffL, 1, Bytes.of(writer), Bytes.of(session), token, generation, Bytes.EMPTY);
        Wire.Header same = Wire.Header.newBuilder()
                .setFormat((int) format)
                .setOldestReader(1)
                .setWriterBytes(ByteString.copyFrom(Bytes.of(writer).toArray()))
                .setSession(ByteString.copyFrom(session))
                .setNextToken(token)
                .setGeneration(generation)
                .build();
        assertArrayEquals(same.toByteArray(), header.encode());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "12 05 08 81 80 80 00", // a varint that is longer than it must be
                "12 04 08 02 08 01", // a field twice: the last counts
            })
    void whatProtobufMayWriteOtherwiseIsReadToo(String hex) throws Exception {
        byte[] bytes = HexFormat.ofDelimiter(" ").parseHex(hex);
        assertEquals(1, Wire.Change.parseFrom(bytes).getRemove().getToken());
        assertEquals(Optional.of(new Change.Remove(1)), Records.decode(ByteBuffer.wrap(bytes)));
    }

    @Provide
    Arbitrary<Change> changes() {
        return Changes.any();
    }

    private static Wire.Change protobuf(Change change) {
        Wire.Change.Builder record = Wire.Change.newBuilder();
        return switch (change) {
            case Change.Put(Node node) -> record.setPut(protobuf(node)).build();
            case Change.Remove(long token) ->
                record.setRemove(Wire.Remove.newBuilder().setToken(token)).build();
            case Change.Link(long parent, Name name, long token) ->
                record.setLink(Wire.Link.newBuilder()
                                .setParent(parent)
                                .setName(ByteString.copyFrom(name.bytes()))
                                .setToken(token))
                        .build();
            case Change.Unlink(long parent, Name name) ->
                record.setUnlink(Wire.Unlink.newBuilder().setParent(parent).setName(ByteString.copyFrom(name.bytes())))
                        .build();
            case Change.Cycle(long updates) ->
                record.setCycle(Wire.Cycle.newBuilder().setUpdates(updates)).build();
        };
    }

    private static Wire.Node protobuf(Node node) {
        Wire.Node.Builder record = Wire.Node.newBuilder()
                .setToken(node.token())
                .setKind(node.kind() == Kind.FILE ? Wire.Kind.KIND_FILE : Wire.Kind.KIND_DIRECTORY)
                .setUid(node.uid())
                .setGid(node.gid())
                .setMode(node.mode())
                .setAccessedSeconds(node.accessed().seconds())
                .setAccessedNanoseconds((int) node.accessed().nanoseconds())
                .setModifiedSeconds(node.modified().seconds())
                .setModifiedNanoseconds((int) node.modified().nanoseconds())
                .setReadOnly(node.readOnly())
                .setAbsence(
                        switch (node.absence()) {
                            case DAMAGE -> Wire.Absence.ABSENCE_DAMAGE;
                            case NEW -> Wire.Absence.ABSENCE_NEW;
                            case TAKEN_BACK -> Wire.Absence.ABSENCE_TAKEN_BACK;
                        });
        node.xattrs()
                .forEach((name, value) -> record.addXattr(ByteString.copyFrom(name.toArray())
                        .concat(ByteString.copyFrom(new byte[1]))
                        .concat(ByteString.copyFrom(value.toArray()))));
        return record.build();
    }
}
