package org.kexecfs.session;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.kexecfs.session.Machine.adopt;
import static org.kexecfs.session.Machine.mkdir;
import static org.kexecfs.session.Machine.path;
import static org.kexecfs.session.Machine.put;
import static org.kexecfs.session.Machine.read;
import static org.kexecfs.session.Machine.status;

import java.util.Set;
import jnr.constants.platform.linux.Errno;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;

/** From normal to prepared, and back. */
class PrepareTest extends OneSession {
    @Test
    void prepareHandsOverTheManifestAndEveryFile() {
        put(session, "a", "1");
        mkdir(session, "d");
        put(session, "d/b", "2");
        session.link(path("a"), path("second"));

        session.prepare();

        assertEquals(Set.of(0L, token("a"), token("d/b")), machine.luo().held());
        assertAll(session.files().stream().map(f -> () -> assertEquals(Status.PRESERVED, f.status())));
        assertEquals("", session.error());
    }

    @Test
    void aSessionWithNothingInItCanBePrepared() {
        session.prepare();

        assertEquals(Set.of(0L), machine.luo().held());
        assertEquals(State.UPDATED, machine.kexec().state());
    }

    @Test
    void whenAKexecFails_theSessionIsStillPrepared() {
        Fd memfd = machine.memfd("four");
        adopt(session, memfd, "file");
        session.prepare();
        // The kernel would not let it; the emulation notices when it freezes.
        memfd.truncate(5);

        Fails.with(Errno.EPERM, machine.luo()::kexec);

        assertEquals(State.PREPARED, session.state());
        assertEquals("preserved", status(session, "file"));
        assertEquals(Set.of(0L, token("file")), machine.luo().held());
        memfd.truncate(4);
        assertEquals("four", read(machine.kexec(), "file"));
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4, 5, 6, 7, 8, 9})
    void whenPrepareFailsOnOneEntry_nothingIsHeldByLuo(int position) {
        for (int i = 1; i <= 9; i++) {
            put(session, "entry" + i, "content");
        }
        machine.luo().refuse(position, Errno.ENOMEM);

        String message = Fails.with(Errno.ENOMEM, session::prepare);

        assertEquals(State.NORMAL, session.state());
        assertEquals(Set.of(), machine.luo().held());
        assertTrue(message.contains("entry" + position), message);
        assertTrue(session.error().contains("entry" + position), session.error());
        assertTrue(session.error().contains("ENOMEM"), session.error());
        assertEquals("linked", status(session, "entry" + position));
        put(session, "new", "the session goes on");
        session.prepare();
        assertEquals(11, machine.luo().held().size());
        assertEquals("", session.error());
    }

    @Test
    void whenLuoRefusesTheManifest_nothingIsHeldByLuo() {
        put(session, "a", "1");
        machine.luo().refuse(0, Errno.EBUSY);

        Fails.with(Errno.EBUSY, session::prepare);

        assertEquals(State.NORMAL, session.state());
        assertEquals(Set.of(), machine.luo().held());
        assertTrue(session.error().contains("EBUSY"), session.error());
    }

    @ParameterizedTest
    @EnumSource(
            value = Errno.class,
            names = {"EBUSY", "ENOENT", "ENOMEM", "EOPNOTSUPP", "EFBIG", "EIO"})
    void prepareFailsWithTheErrnoOfTheEntry(Errno errno) {
        put(session, "a", "1");
        machine.luo().refuse(1, errno);

        Fails.with(errno, session::prepare);

        assertTrue(session.error().contains(errno.name()), session.error());
    }

    @Test
    void afterAFailedPrepareAKexecCarriesNothing() {
        put(session, "a", "1");
        machine.luo().refuse(1, Errno.ENOMEM);
        Fails.with(Errno.ENOMEM, session::prepare);

        Session next = machine.kexec();

        assertEquals(State.NORMAL, next.state());
        assertEquals(0, next.usage().entries());
    }

    @Test
    void anEntryWithANewlineInItsNameIsToldInOneLine() {
        put(session, "a\nb", "1");
        machine.luo().refuse(1, Errno.ENOMEM);

        Fails.with(Errno.ENOMEM, session::prepare);

        assertTrue(session.error().contains("a\\012b"), session.error());
        assertEquals(1, session.error().lines().count());
    }

    @Test
    void aFileThatAnotherSessionHasPreservedIsBusy() {
        Fd shared = machine.memfd("shared");
        adopt(session, shared, "mine");
        try (Session other =
                Session.open(machine.luo(), "other", Settings.of(0, 0), Host.of(() -> Fd.memfd("entry")))) {
            adopt(other, shared, "theirs");
            other.prepare();

            String message = Fails.with(Errno.EBUSY, session::prepare);

            assertTrue(message.contains("mine"), message);
            assertEquals(State.NORMAL, session.state());
            other.cancel();
            session.prepare();
            assertEquals(State.PREPARED, session.state());
        }
    }

    @Test
    void prepareAgainChangesNothing() {
        put(session, "a", "1");
        session.prepare();
        machine.luo().refuse(0, Errno.EIO);

        session.prepare();

        assertEquals(State.PREPARED, session.state());
        assertEquals(Set.of(0L, token("a")), machine.luo().held());
    }

    @Test
    void cancelTakesEverythingBack() {
        put(session, "a", "1");
        session.prepare();

        session.cancel();

        assertEquals(State.NORMAL, session.state());
        assertEquals(Set.of(), machine.luo().held());
        assertEquals("linked", status(session, "a"));
        session.truncate(path("a"), 0);
        assertEquals(State.NORMAL, machine.kexec().state());
    }

    @Test
    void prepareAndCancelGoRoundAsOftenAsOneLikes() {
        put(session, "a", "1");
        for (int i = 0; i < 5; i++) {
            session.prepare();
            session.cancel();
        }
        session.prepare();

        assertEquals("1", Machine.read(machine.kexec(), "a"));
    }

    @Test
    void aRefusedCallIsNotTheLastFailureOfATransition_butARefusedTransitionIs() {
        session.prepare();
        Fails.with(Errno.EBUSY, () -> mkdir(session, "d"));
        assertEquals("", session.error());

        Fails.with(Errno.EINVAL, () -> session.finish(Finish.KEEP));

        assertTrue(session.error().startsWith("finish: "), session.error());
        session.cancel();
        assertEquals("", session.error());
    }

    @Test
    void theNameIsReservedFromTheBeginning_andFreeAfterTheEnd() {
        Fails.with(Errno.EEXIST, () -> machine.luo().createSession(Machine.NAME));

        session.close();

        machine.luo().createSession(Machine.NAME).close();
    }

    @Test
    void anEndedSessionAnswersNothing_andEndsOnce() {
        put(session, "a", "1");
        session.prepare();
        session.close();
        session.close();

        assertEquals(Set.of(), machine.luo().held());
        assertAll(
                () -> Fails.with(Errno.EIO, session::prepare),
                () -> Fails.with(Errno.EIO, session::cancel),
                () -> Fails.with(Errno.EIO, () -> Machine.stat(session, "a")),
                () -> Fails.with(Errno.EIO, () -> put(session, "b", "")));
    }

    @Test
    void aFileThatIsOpenOutlivesTheSession() {
        put(session, "a", "still here");
        OpenFile file = machine.keep(session.open(path("a"), true));

        session.close();

        byte[] bytes = new byte[10];
        file.file().pread(bytes, 0);
        assertEquals("still here", new String(bytes, java.nio.charset.StandardCharsets.UTF_8));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"", ".", "..", "a/b", "nul\0", "0123456789012345678901234567890123456789012345678901234567890123"
            })
    void aNameThatIsNoneIsRefused_andNothingIsLeft(String name) {
        Fails.with(
                Errno.EINVAL,
                () -> Session.open(machine.luo(), name, Settings.of(0, 0), Host.of(() -> Fd.memfd("entry"))));
    }

    @Test
    void aListenerMayAskTheSession() {
        StringBuilder heard = new StringBuilder();
        session.onStateChange(() ->
                heard.append(session.state()).append(' ').append(session.files().size()));

        session.prepare();

        assertEquals("prepared 0", heard.toString());
    }

    @Test
    void whenTheNameWasTakenMeanwhile_prepareSaysSo_andNothingIsLost() {
        put(session, "a", "1");
        session.prepare();
        machine.luo().down(Errno.EBUSY);

        session.cancel();

        assertEquals(State.NORMAL, session.state());
        ErrnoException e = org.junit.jupiter.api.Assertions.assertThrows(ErrnoException.class, session::prepare);
        assertEquals(Errno.EBUSY, e.errno());
        assertEquals("1", Machine.read(session, "a"));
    }

    private long token(String path) {
        return Machine.stat(session, path).token();
    }
}
