package org.kexecfs.session;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.kexecfs.session.Machine.find;
import static org.kexecfs.session.Machine.mkdir;
import static org.kexecfs.session.Machine.path;
import static org.kexecfs.session.Machine.put;
import static org.kexecfs.session.Machine.read;
import static org.kexecfs.session.Machine.status;
import static org.kexecfs.session.Machine.write;

import java.util.Arrays;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import jnr.constants.platform.linux.Errno;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.kexecfs.luo.LiveUpdateSession;
import org.kexecfs.manifest.Manifest;
import org.kexecfs.posix.Fd;

/** After a kexec that went wrong: what could be restored is there to read, the reason is told, and finish goes on. */
class FailedTest extends OneSession {
    @BeforeEach
    void putTwo() {
        put(session, "a", "content of a");
        mkdir(session, "d");
        put(session, "d/b", "content of b");
    }

    private static byte[] bytes(Fd file) {
        byte[] bytes = new byte[(int) file.status().size()];
        file.pread(bytes, 0);
        return bytes;
    }

    /** What LUO gives for the manifest is another file, made of the one that was preserved. */
    private void manifestIs(UnaryOperator<byte[]> doctored) {
        machine.luo().gives(Preserved.MANIFEST, file -> {
            try (file) {
                Fd other = Fd.memfd("doctored");
                other.pwrite(doctored.apply(bytes(file)), 0);
                return other;
            }
        });
    }

    /** What holds for every session in the failed state, and that finish leads out of it. */
    private static void assertFailedAndFinishes(Session failed) {
        assertEquals(State.FAILED, failed.state());
        assertTrue(!failed.error().isEmpty(), "the reason is told");
        assertAll(
                () -> Fails.with(Errno.EIO, failed::prepare),
                () -> Fails.with(Errno.EINVAL, failed::cancel),
                () -> Fails.with(Errno.EIO, () -> put(failed, "new", "")),
                () -> Fails.with(Errno.EIO, () -> mkdir(failed, "new")));

        failed.finish(Finish.KEEP);

        assertEquals(State.NORMAL, failed.state());
        assertEquals("", failed.error());
        put(failed, "new", "the session goes on");
        failed.prepare();
    }

    @ParameterizedTest
    @EnumSource(
            value = Errno.class,
            names = {"EIO", "ENOMEM", "EOPNOTSUPP"})
    void anEntryThatCannotBeRestoredHasItsErrno_andTheOthersAreThere(Errno errno) {
        machine.luo().loses(Machine.stat(session, "a").token(), errno);

        Session failed = machine.update();

        assertEquals("error " + errno.name(), status(failed, "a"));
        assertEquals("restored", status(failed, "d/b"));
        assertTrue(failed.error().contains("entry a"), failed.error());
        assertTrue(failed.error().contains(errno.name()), failed.error());
        assertEquals("content of b", read(failed, "d/b"));
        write(failed, "d/b", "CONTENT", 0);
        Fails.with(Errno.EIO, () -> read(failed, "a"));
        Fails.with(Errno.EIO, () -> failed.truncate(path("a"), 0));
        assertEquals(0, Machine.stat(failed, "a").size());
        assertFailedAndFinishes(failed);
        assertEquals(List.of("d", "new", "d/b"), find(failed));
        assertEquals("CONTENT of b", read(machine.kexec(), "d/b"));
    }

    @Test
    void theLogHasOneError_withTheSession_theCause_andWhatToDo() {
        machine.luo().loses(Machine.stat(session, "a").token(), Errno.ENOMEM);

        Session[] failed = new Session[1];
        List<String> errors = Logged.errors(() -> failed[0] = machine.update());

        assertEquals(1, errors.size(), errors::toString);
        String error = errors.getFirst();
        assertTrue(error.contains("session " + failed[0].name() + " is failed"), error);
        assertTrue(error.contains(failed[0].error()), error);
        assertTrue(error.contains("'kexecfs finish " + failed[0].name() + "'"), error);
    }

    @Test
    void aGoodRestoreLogsNoError() {
        assertEquals(List.of(), Logged.errors(machine::update));
    }

    @Test
    void anEntryThatLuoDoesNotHaveIsMissing() {
        machine.luo().loses(Machine.stat(session, "d/b").token(), Errno.ENOENT);

        Session failed = machine.update();

        assertEquals("missing", status(failed, "d/b"));
        assertTrue(failed.error().contains("entry d/b"), failed.error());
        assertFailedAndFinishes(failed);
        assertEquals(List.of("a", "d", "new"), find(failed));
    }

    @Test
    void whatWasNotRestoredCanBeUnlinked() {
        machine.luo().loses(Machine.stat(session, "a").token(), Errno.EIO);
        Session failed = machine.update();

        failed.unlink(path("a"));

        assertEquals(List.of("d", "d/b"), find(failed));
        assertEquals(State.FAILED, failed.state());
    }

    @Test
    void aStrictFinishThatFailsHasDroppedNothing() {
        machine.luo().loses(Machine.stat(session, "a").token(), Errno.EIO);
        Session failed = machine.update();

        Fails.with(Errno.EBUSY, () -> failed.finish(Finish.STRICT));

        assertEquals(State.FAILED, failed.state());
        assertEquals(List.of("a", "d", "d/b"), find(failed));
        read(failed, "d/b");
        failed.finish(Finish.STRICT);
        assertEquals(List.of("d", "d/b"), find(failed));
    }

    @Test
    void whenLuoCannotFinishYet_nothingIsDropped() {
        machine.luo().loses(Machine.stat(session, "a").token(), Errno.EIO);
        Session failed = machine.update();
        machine.luo().doesNotFinish(Errno.EBUSY);

        Fails.with(Errno.EBUSY, () -> failed.finish(Finish.KEEP));

        assertEquals(State.FAILED, failed.state());
        assertEquals(List.of("a", "d", "d/b"), find(failed));
    }

    @Test
    void manyLostEntriesAreToldInOneLineOfBoundedLength() {
        for (int i = 0; i < 50; i++) {
            put(session, "lost" + i, "");
            machine.luo().loses(Machine.stat(session, "lost" + i).token(), Errno.EIO);
        }

        Session failed = machine.update();

        assertTrue(failed.error().contains("42 more, see kexecfs.files"), failed.error());
        assertFailedAndFinishes(failed);
    }

    @Test
    void filesWithoutAManifestAreSomeoneElses_andKeptUntilFinish() {
        try (Fd theirs = Fd.memfd("theirs")) {
            session.close();
            LiveUpdateSession foreign = machine.luo().createSession(Machine.NAME);
            foreign.preserve(theirs, 7);
            machine.luo().kexec();
            foreign.close();
        }

        Session failed = machine.open();

        assertEquals(List.of(), find(failed));
        assertTrue(failed.error().contains("no manifest"), failed.error());
        Fails.with(Errno.EINVAL, () -> machine.luo().retrieveSession(Machine.NAME)); // It is held, not freed.
        assertFailedAndFinishes(failed);
    }

    @ParameterizedTest
    @EnumSource(
            value = Errno.class,
            names = {"EIO", "ENOMEM"})
    void withoutItsManifestNothingCanBeRestored(Errno errno) {
        machine.luo().loses(Preserved.MANIFEST, errno);

        Session failed = machine.update();

        assertTrue(failed.error().contains("manifest"), failed.error());
        assertTrue(failed.error().contains(errno.name()), failed.error());
        assertEquals(List.of(), find(failed));
        assertFailedAndFinishes(failed);
    }

    @Test
    void aLuoThatFailsWithEioIsAFailedSession_untilTheNextReboot() {
        session.close();
        machine.luo().down(Errno.EIO);

        Session failed = machine.open();

        assertEquals(State.FAILED, failed.state());
        assertTrue(failed.error().contains("next reboot"), failed.error());
        assertEquals(List.of(), find(failed));
        failed.finish(Finish.KEEP);
        put(failed, "a", "");
        Fails.with(Errno.EIO, failed::prepare);
        assertEquals(State.NORMAL, failed.state());
        assertTrue(failed.error().contains("EIO"), failed.error());
    }

    @ParameterizedTest
    @EnumSource(
            value = Errno.class,
            names = {"ENOENT", "EBUSY", "EACCES", "EPERM", "ENOTTY", "ENXIO"})
    void aLuoThatIsNotToBeHadIsNoSession(Errno errno) {
        session.close();
        machine.luo().down(errno);

        Fails.with(errno, machine::open);
    }

    static Stream<Arguments> damagedManifests() {
        return Stream.of(
                damage("empty", bytes -> new byte[0]),
                damage("one byte", bytes -> new byte[1]),
                damage("zeros", bytes -> new byte[bytes.length]),
                damage("text", bytes -> Fd.utf8("#!/bin/sh\necho this is no manifest\n")),
                damage("truncated in the header", bytes -> Arrays.copyOf(bytes, 30)),
                damage("truncated in the middle", bytes -> Arrays.copyOf(bytes, bytes.length / 2)),
                damage("all ones", bytes -> {
                    byte[] ones = new byte[bytes.length];
                    Arrays.fill(ones, (byte) 0xff);
                    return ones;
                }));
    }

    private static Arguments damage(String what, UnaryOperator<byte[]> doctored) {
        return Arguments.of(org.junit.jupiter.api.Named.of(what, doctored));
    }

    @ParameterizedTest
    @MethodSource("damagedManifests")
    void aDamagedManifestLeadsToFailed(UnaryOperator<byte[]> damage) {
        session.prepare();
        // Less the room that prepare makes: a manifest that ends within that is whole.
        manifestIs(bytes -> damage.apply(Arrays.copyOf(bytes, written(bytes))));

        Session failed = machine.kexec();

        assertTrue(failed.error().contains("manifest"), failed.error());
        assertFailedAndFinishes(failed);
    }

    private static int written(byte[] manifest) {
        int end = manifest.length;
        while (end > 0 && manifest[end - 1] == 0) {
            end--;
        }
        return end;
    }

    @Test
    void aManifestOfAnotherSessionIsNotBelieved() {
        machine.luo().gives(Preserved.MANIFEST, file -> {
            file.close();
            try (Manifest theirs = Manifest.create("other")) {
                return theirs.memfd().dup();
            }
        });

        Session failed = machine.update();

        assertTrue(failed.error().contains("other"), failed.error());
        assertEquals(List.of(), find(failed));
        assertFailedAndFinishes(failed);
    }

    /** Each bit that counts: what is shown is a part of what there was, never another thing. */
    @Test
    void aFlippedBitIsNoticed_orMakesNoDifference() {
        List<String> whole = find(session);
        session.prepare();
        byte[][] manifest = {{}};
        manifestIs(bytes -> manifest[0] = bytes);
        session = machine.kexec();
        int length = written(manifest[0]);

        for (int bit = 0; bit < 8 * length; bit += 1 + bit % 3) {
            byte[] flipped = Arrays.copyOf(manifest[0], length);
            flipped[bit / 8] ^= (byte) (1 << bit % 8);
            Fd file = Fd.memfd("flipped");
            file.pwrite(flipped, 0);
            Recovery recovery =
                    Recovery.of(file, token -> Fd.memfd("entry"), Machine.NAME, Settings.of(Machine.UID, Machine.GID));
            List<String> shown = recovery.tree().names().stream()
                    .map(named -> named.path().toString())
                    .toList();

            assertTrue(whole.containsAll(shown), "bit " + bit + " makes it " + shown);
            if (recovery.damage().isEmpty()) {
                assertEquals(whole, shown, "bit " + bit);
            }
            recovery.entries().values().forEach(Entry::close);
            recovery.manifest().close();
        }
    }
}
