package org.kexecfs.session;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.kexecfs.session.Machine.adopt;
import static org.kexecfs.session.Machine.append;
import static org.kexecfs.session.Machine.mkdir;
import static org.kexecfs.session.Machine.path;
import static org.kexecfs.session.Machine.put;
import static org.kexecfs.session.Machine.read;
import static org.kexecfs.session.Machine.status;

import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import jnr.constants.platform.linux.Errno;
import org.junit.jupiter.api.Test;
import org.kexecfs.luo.LiveUpdateSession;
import org.kexecfs.manifest.Bytes;
import org.kexecfs.manifest.Change;
import org.kexecfs.manifest.Kind;
import org.kexecfs.manifest.Manifest;
import org.kexecfs.manifest.Name;
import org.kexecfs.manifest.Node;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.Time;
import org.kexecfs.session.Settings.Preserve;

/** Each file is LUO's as soon as it is linked or closed, with no prepare. */
class AtLinkTest extends OneSession {
    AtLinkTest() {
        super(Preserve.AT_LINK);
    }

    @Test
    void whatWasLinkedAndClosedIsThereAfterAKexecThatNobodyPrepared() {
        put(session, "closed", "1");
        adopt(session, machine.memfd("2"), "linked");
        mkdir(session, "d");
        put(session, "d/below", "3");
        session.rename(path("closed"), path("renamed"));
        session.link(path("linked"), path("second"));
        session.chmod(path("linked"), 0604);
        session.setXattr(path("linked"), Bytes.of("user.x"), Bytes.of("y"), 0);
        session.setTimes(path("renamed"), new Time(1, 2), new Time(3, 4));

        Session next = machine.kexec();

        assertEquals(State.UPDATED, next.state());
        assertEquals("", next.error());
        assertEquals(List.of("d", "linked", "renamed", "second", "d/below"), Machine.find(next));
        assertEquals("1", read(next, "renamed"));
        assertEquals("2", read(next, "second"));
        assertEquals("3", read(next, "d/below"));
        assertEquals(0604, Machine.stat(next, "linked").mode());
        assertEquals(2, Machine.stat(next, "linked").links());
        assertEquals(Bytes.of("y"), next.xattrs(path("second")).get(Bytes.of("user.x")));
        assertEquals(new Time(3, 4), Machine.stat(next, "renamed").modified());
    }

    @Test
    void anEntryIsPreservedFromItsCloseOn() {
        try (OpenFile file = session.create(path("a"), 0600, 1, 1)) {
            append(file, "bytes");
            assertEquals("linked", status(session, "a"));

            file.sync();

            assertEquals("preserved", status(session, "a"));
            assertEquals(Set.of(0L, file.token()), machine.luo().held());
            assertEquals(Set.of("vm/a", "vm/" + file.token()), machine.luo().holding());
        }
    }

    @Test
    void aFileThatNobodyHasClosedIsNotThere_andNothingHasFailed() {
        put(session, "closed", "1");
        mkdir(session, "d");
        OpenFile open = machine.keep(session.create(path("d/open"), 0600, 1, 1));
        append(open, "2");
        session.rename(path("d/open"), path("d/renamed"));

        Session next = machine.kexec();

        assertEquals(State.UPDATED, next.state());
        assertEquals("", next.error());
        assertEquals(List.of("closed", "d"), Machine.find(next));
        assertEquals(2, next.usage().entries());
    }

    @Test
    void aSecondNameHasLuoTakeTheFile_closedOrNot() {
        OpenFile open = machine.keep(session.create(path("open"), 0600, 1, 1));
        append(open, "1");

        session.link(path("open"), path("second"));

        assertEquals("1", read(machine.kexec(), "second"));
    }

    @Test
    void aFileThatWasGrowingIsMissing_withWords_andGoneAfterFinish() {
        put(session, "log", "one\n");
        put(session, "other", "1");
        OpenFile log = machine.keep(session.open(path("log"), true));
        append(log, "two\n");

        Session next = machine.kexec();

        assertEquals(State.UPDATED, next.state());
        assertEquals("missing", status(next, "log"));
        assertTrue(next.error().startsWith("missing: log ("), next.error());
        Fails.with(Errno.EIO, () -> read(next, "log"));
        assertEquals("1", read(next, "other"));
        next.finish(Finish.KEEP);
        assertEquals("", next.error());
        assertEquals(List.of("other"), Machine.find(next));
        assertEquals("1", read(machine.kexec(), "other"));
    }

    @Test
    void writesWithinTheSizeGoOnWhileLuoHasTheFile() {
        put(session, "a", "old bytes");
        OpenFile file = machine.keep(session.open(path("a"), true));

        Machine.write(file, "new", 0);

        assertEquals("preserved", status(session, "a"));
        assertEquals("new bytes", read(machine.kexec(), "a"));
    }

    @Test
    void growthTakesBackThatFileAlone_andItsCloseHandsItOverAgain() {
        put(session, "a", "1");
        put(session, "b", "1");
        OpenFile file = machine.keep(session.open(path("a"), true));

        append(file, "2");

        assertEquals(Set.of(0L, token("b")), machine.luo().held());
        assertEquals("linked", status(session, "a"));
        file.sync();
        assertEquals(Set.of(0L, token("a"), token("b")), machine.luo().held());
        assertEquals("12", read(machine.kexec(), "a"));
    }

    @Test
    void theCloseOfOneWriterHandsOver_andTheGrowthOfAnotherTakesBack() {
        OpenFile first = machine.keep(session.create(path("a"), 0600, 1, 1));
        OpenFile second = machine.keep(session.open(path("a"), true));
        append(first, "1");
        append(second, "2");

        first.sync();
        assertEquals("preserved", status(session, "a"));
        append(second, "3");
        assertEquals("linked", status(session, "a"));
        second.sync();

        assertEquals("123", read(machine.kexec(), "a"));
    }

    @Test
    void whoSetsASizeFindsTheFilePreservedWhenTheCallReturns() {
        put(session, "a", "12345");
        session.truncate(path("a"), 2);
        assertEquals("preserved", status(session, "a"));
        OpenFile open = machine.keep(session.create(path("b"), 0600, 1, 1));
        open.truncate(100);
        assertEquals("preserved", status(session, "b"));
        open.allocate(0, 0, 8192);
        assertEquals("preserved", status(session, "b"));

        Session next = machine.kexec();

        assertEquals("12", read(next, "a"));
        assertEquals(8192, Machine.stat(next, "b").size());
    }

    @Test
    void whoseLastNameIsGoneIsLuosNoLonger() {
        put(session, "a", "1");
        put(session, "b", "2");
        put(session, "c", "3");
        session.link(path("a"), path("second"));
        session.unlink(path("a"));
        assertEquals(4, machine.luo().held().size());

        session.unlink(path("second"));
        assertEquals(3, machine.luo().held().size());
        session.rename(path("b"), path("c"));

        assertEquals(Set.of(0L, token("c")), machine.luo().held());
        assertEquals("2", read(machine.kexec(), "c"));
    }

    @Test
    void prepareHoldsWhatIsOpenToo_andCancelLetsItGrowAgain() {
        put(session, "a", "1");
        OpenFile open = machine.keep(session.create(path("open"), 0600, 1, 1));
        append(open, "2");

        session.prepare();

        assertEquals("preserved", status(session, "open"));
        Fails.with(Errno.EPERM, () -> append(open, "no"));
        Fails.with(Errno.EPERM, () -> open.truncate(0));
        Fails.with(Errno.EBUSY, () -> put(session, "b", ""));
        session.cancel();
        assertEquals(State.NORMAL, session.state());
        assertEquals("preserved", status(session, "a"));
        append(open, "3");
        open.sync();
        session.prepare();
        assertEquals("23", read(machine.kexec(), "open"));
    }

    @Test
    void aMountAfterAKexecHasNothingHeld_untilFinishHandsEverythingOverAgain() {
        put(session, "a", "1");
        Session updated = machine.kexec();
        put(updated, "b", "2");
        assertEquals(Set.of(), machine.luo().held());
        assertEquals("restored", status(updated, "a"));

        updated.finish(Finish.KEEP);

        assertEquals(Set.of(0L, token("a"), token("b")), machine.luo().held());
        assertEquals("preserved", status(updated, "a"));
        assertEquals(List.of(), machine.luo().incoming());
        Session next = machine.kexec();
        assertEquals(2, next.cycle());
        assertEquals("1", read(next, "a"));
        assertEquals("2", read(next, "b"));
    }

    @Test
    void aKexecBeforeFinishHasNothing() {
        put(session, "a", "1");
        machine.kexec();

        Session next = machine.kexec();

        assertEquals(State.NORMAL, next.state());
        assertEquals(List.of(), Machine.find(next));
    }

    @Test
    void whenLuoRefusesAFileAtItsClose_theCloseFails_andTheNextTriesAgain() {
        OpenFile open = machine.keep(session.create(path("a"), 0600, 1, 1));
        append(open, "1");
        machine.luo().refuse(0, Errno.ENOMEM);

        Fails.with(Errno.ENOMEM, open::sync);

        assertTrue(session.error().startsWith("entry a could not be handed to LUO"), session.error());
        assertTrue(session.error().contains("ENOMEM"), session.error());
        assertEquals("linked", status(session, "a"));
        open.sync();
        assertEquals("preserved", status(session, "a"));
    }

    @Test
    void whenLuoRefusesALinkedFile_thereIsNoSuchEntry() {
        machine.luo().refuse(0, Errno.ENOMEM);

        Fails.with(Errno.ENOMEM, () -> adopt(session, machine.memfd("1"), "a"));

        assertEquals(List.of(), Machine.find(session));
        assertEquals(Set.of(0L), machine.luo().held());
        assertFalse(session.error().isEmpty());
    }

    @Test
    void whenLuoRefusesAFileAtFinish_theUpdateIsFinished_andPrepareTriesAgain() {
        put(session, "a", "1");
        put(session, "b", "2");
        Session updated = machine.kexec();
        machine.luo().refuse(2, Errno.ENOMEM);

        Fails.with(Errno.ENOMEM, () -> updated.finish(Finish.KEEP));

        assertEquals(State.NORMAL, updated.state());
        assertTrue(updated.error().contains("entry b"), updated.error());
        assertEquals("preserved", status(updated, "a"));
        assertEquals("linked", status(updated, "b"));
        updated.prepare();
        assertEquals("2", read(machine.kexec(), "b"));
    }

    @Test
    void whenPrepareFailsOnOneFile_luoKeepsWhatItHad() {
        put(session, "a", "1");
        machine.keep(session.create(path("b"), 0600, 1, 1));
        machine.luo().refuse(0, Errno.ENOMEM);

        String message = Fails.with(Errno.ENOMEM, session::prepare);

        assertTrue(message.contains("entry b"), message);
        assertEquals(State.NORMAL, session.state());
        assertEquals("preserved", status(session, "a"));
    }

    @Test
    void theManifestMovesToAnotherFileWhenItsRoomIsUsed_andNothingIsLost() {
        for (int i = 0; i < 40; i++) {
            put(session, "file" + i, Integer.toString(i));
            session.setXattr(
                    path("file" + i), Bytes.of("user.long"), Bytes.of("x".repeat(i % 7 == 0 ? 60_000 : 3_000)), 0);
        }
        assertTrue(machine.luo().held().contains(0L));

        Session next = machine.kexec();

        assertEquals(State.UPDATED, next.state());
        assertEquals(40, Machine.find(next).size());
        assertEquals("39", read(next, "file39"));
        assertEquals(
                60_000, next.xattrs(path("file35")).get(Bytes.of("user.long")).length());
    }

    @Test
    void ofTwoManifestsTheOneOfTheHigherGenerationCounts() {
        session.close();
        try (Manifest old = manifest("old");
                Manifest newer = manifest("newer").compacted(manifestOf("newer"))) {
            assertEquals(List.of("newer"), Machine.find(handedOver(old.memfd(), newer.memfd())));
            assertEquals(List.of("newer"), Machine.find(handedOver(newer.memfd(), old.memfd())));
        }
    }

    @Test
    void ofTwoManifestsADamagedOneDoesNotCount() {
        session.close();
        try (Manifest old = manifest("old");
                Manifest newer = manifest("newer").compacted(manifestOf("newer"))) {
            newer.memfd().pwrite(new byte[] {-1}, newer.length() - 1);

            assertEquals(List.of("old"), Machine.find(handedOver(old.memfd(), newer.memfd())));
        }
    }

    private static Stream<Change> manifestOf(String directory) {
        return Stream.of(
                new Change.Put(Node.of(0, Kind.DIRECTORY, 1, 1, 0755, Time.now(), false)),
                new Change.Put(Node.of(1, Kind.DIRECTORY, 1, 1, 0755, Time.now(), false)),
                new Change.Link(0, Name.of(directory), 1));
    }

    private Manifest manifest(String directory) {
        Manifest manifest = Manifest.create(Machine.NAME);
        machine.keep(manifest.memfd());
        manifest.append(manifestOf(directory).toList());
        return manifest;
    }

    /** The session after a kexec, as which two manifests were handed over. */
    private Session handedOver(Fd a, Fd b) {
        machine.session().close();
        try (LiveUpdateSession whole = machine.luo().createSession("vm");
                LiveUpdateSession inA = machine.luo().createSession("vm/a");
                LiveUpdateSession inB = machine.luo().createSession("vm/b")) {
            inA.preserve(a, 0);
            inB.preserve(b, 0);
            assertEquals(Set.of("vm/a", "vm/b"), machine.luo().holding(), whole.toString());
            machine.luo().kexec();
        }
        Session next = machine.open();
        assertEquals(State.UPDATED, next.state(), next.error());
        return next;
    }

    @Test
    void whoeverMountsNextMayPreserveAnotherWay() {
        put(session, "a", "1");
        machine.preserving(Preserve.AT_PREPARE);
        Session updated = machine.kexec();
        assertEquals("1", read(updated, "a"));
        updated.finish(Finish.KEEP);
        assertEquals(Set.of(), machine.luo().held());
        put(updated, "b", "2");
        updated.prepare();
        assertEquals(Set.of("vm"), machine.luo().holding());

        machine.preserving(Preserve.AT_LINK);
        Session back = machine.kexec();

        assertEquals("1", read(back, "a"));
        assertEquals("2", read(back, "b"));
        back.finish(Finish.KEEP);
        assertEquals(
                Set.of("vm/a", "vm/" + token("a"), "vm/" + token("b")),
                machine.luo().holding());
        assertEquals("2", read(machine.kexec(), "b"));
    }

    @Test
    void aFileOfAnotherSessionIsBusyAtOnce() {
        Fd shared = machine.memfd("shared");
        adopt(session, shared, "mine");
        Settings settings =
                new Settings(Optional.empty(), Optional.empty(), Optional.empty(), 0, 0, Preserve.AT_LINK, 0, 0);
        try (Session other = Session.open(machine.luo(), "other", settings, Host.of(() -> Fd.memfd("entry")))) {
            Fails.with(Errno.EBUSY, () -> adopt(other, shared, "theirs"));
        }
    }

    @Test
    void aNameLeavesRoomForATokenBehindIt() {
        Settings settings =
                new Settings(Optional.empty(), Optional.empty(), Optional.empty(), 0, 0, Preserve.AT_LINK, 0, 0);
        Session.open(machine.luo(), "x".repeat(43), settings, Host.of(() -> Fd.memfd("entry")))
                .close();

        String message = Fails.with(
                Errno.EINVAL,
                () -> Session.open(machine.luo(), "x".repeat(44), settings, Host.of(() -> Fd.memfd("entry"))));

        assertTrue(message.contains("43 is the most"), message);
    }

    @Test
    void anEndedSessionLeavesNothing() {
        put(session, "a", "1");

        session.close();

        assertEquals(List.of(), machine.luo().kexec().sessions());
    }

    private long token(String path) {
        return Machine.stat(machine.session(), path).token();
    }
}
