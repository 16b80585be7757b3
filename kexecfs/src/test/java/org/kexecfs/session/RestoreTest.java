package org.kexecfs.session;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.kexecfs.session.Machine.adopt;
import static org.kexecfs.session.Machine.find;
import static org.kexecfs.session.Machine.mkdir;
import static org.kexecfs.session.Machine.path;
import static org.kexecfs.session.Machine.put;
import static org.kexecfs.session.Machine.read;
import static org.kexecfs.session.Machine.stat;
import static org.kexecfs.session.Machine.status;
import static org.kexecfs.session.Machine.touch;
import static org.kexecfs.session.Machine.write;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import jnr.constants.platform.linux.Errno;
import org.junit.jupiter.api.Test;
import org.kexecfs.luo.LiveUpdateSession;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.Time;

/** A session in the next kernel, and how its update is finished. */
class RestoreTest extends OneSession {
    private static final Time NOON = new Time(1_700_000_000, 123_456_789);
    private static final Time BEFORE_1970 = new Time(-1, 999_999_999);
    private static final int F_SEAL_SHRINK = 2;

    private static Map<String, Stat> stats(Session session) {
        Map<String, Stat> all = new LinkedHashMap<>();
        find(session).forEach(path -> all.put(path, stat(session, path)));
        return all;
    }

    /** What an update keeps: everything but the time of the restore itself, and what the memory takes. */
    private static Map<String, Object> kept(Session session) {
        Map<String, Object> all = new LinkedHashMap<>();
        stats(session)
                .forEach((path, s) -> all.put(
                        path,
                        List.of(
                                s.token(),
                                s.kind(),
                                Integer.toOctalString(s.mode()),
                                s.uid(),
                                s.gid(),
                                s.links(),
                                s.size(),
                                s.accessed(),
                                s.modified())));
        return all;
    }

    @Test
    void namesOwnersModesTimesSizesAndLinksAreAsBefore() {
        put(session, "a", "contents of a");
        touch(session, "empty");
        mkdir(session, "d");
        mkdir(session, "d/e");
        put(session, "d/e/f", "deep");
        session.link(path("a"), path("d/second"));
        adopt(session, machine.memfd("linked"), "ram0");
        session.chmod(path("a"), 04751);
        session.chmod(path("d"), 01777);
        session.chmod(EntryPath.ROOT, 0711);
        session.chown(path("a"), Optional.of(-2), Optional.of(7));
        session.chown(path("d"), Optional.of(8), Optional.empty());
        session.setTimes(path("a"), NOON, BEFORE_1970);
        session.setTimes(path("d"), BEFORE_1970, NOON);
        session.setTimes(path("ram0"), null, NOON);
        Map<String, Object> before = kept(session);
        Stat root = session.stat(EntryPath.ROOT);

        Session next = machine.update();

        assertEquals(State.UPDATED, next.state());
        assertEquals("", next.error());
        assertEquals(before, kept(next));
        assertEquals(root.mode(), next.stat(EntryPath.ROOT).mode());
        assertAll(
                () -> assertEquals("contents of a", read(next, "a")),
                () -> assertEquals("contents of a", read(next, "d/second")),
                () -> assertEquals("", read(next, "empty")),
                () -> assertEquals("deep", read(next, "d/e/f")),
                () -> assertEquals("linked", read(next, "ram0")));
        assertEquals(2, stat(next, "a").links());
        assertEquals(stat(next, "a").token(), stat(next, "d/second").token());
    }

    @Test
    void aDirectoryHasTheTimesThatWereSet_andKeepsThem() {
        mkdir(session, "d");
        session.setTimes(path("d"), NOON, BEFORE_1970);
        assertEquals(NOON, stat(session, "d").accessed());
        assertEquals(BEFORE_1970, stat(session, "d").modified());

        Stat restored = stat(machine.update(), "d");

        assertEquals(NOON, restored.accessed());
        assertEquals(BEFORE_1970, restored.modified());
    }

    @Test
    void theTimesOfTheLastWriteBeforePrepareAreKept() {
        Fd memfd = machine.memfd("1");
        adopt(session, memfd, "ram0");
        memfd.setTimes(NOON, NOON);

        assertEquals(NOON, stat(machine.update(), "ram0").modified());
    }

    @Test
    void writesUpToTheKexecAreCarriedOver() {
        Fd memfd = machine.memfd("before");
        adopt(session, memfd, "ram0");
        session.prepare();
        memfd.pwrite(Fd.utf8("after!"), 0);

        assertEquals("after!", read(machine.kexec(), "ram0"));
    }

    @Test
    void positionAndSealsAreKept() {
        Fd memfd = machine.memfd("contents");
        memfd.position(3);
        memfd.addSeals(F_SEAL_SHRINK);
        adopt(session, memfd, "ram0");

        try (OpenFile restored = machine.update().open(path("ram0"), true)) {
            assertEquals(3, restored.file().position());
            assertEquals(F_SEAL_SHRINK, restored.file().seals());
        }
    }

    @Test
    void whatWasLinkedReadOnlyIsReadOnlyAgain() {
        Fd memfd = machine.memfd("contents");
        Fd readOnly = machine.keep(Fd.open("/proc/self/fd/" + memfd.number(), Fd.O_RDONLY, 0));
        adopt(session, readOnly, "ro");

        Session next = machine.update();

        assertEquals("contents", read(next, "ro"));
        assertTrue(Fails.with(Errno.EACCES, () -> next.open(path("ro"), true)).contains("read-only"));
        Fails.with(Errno.EACCES, () -> next.truncate(path("ro"), 0));
    }

    @Test
    void aRestoredFileIsClaimedOnceItHasBeenOpened() {
        put(session, "a", "1");
        put(session, "b", "2");
        Session next = machine.update();
        assertEquals("restored", status(next, "a"));

        read(next, "a");

        assertEquals("claimed", status(next, "a"));
        assertEquals("restored", status(next, "b"));
    }

    @Test
    void finishKeepsWhatNobodyOpened() {
        put(session, "a", "1");
        Session next = machine.update();

        next.finish(Finish.KEEP);

        assertEquals(State.NORMAL, next.state());
        assertEquals("1", read(next, "a"));
        assertEquals("linked", status(next, "a"));
    }

    @Test
    void finishStrictFailsWhileAFileIsUnclaimed_andSaysWhich() {
        put(session, "a", "1");
        mkdir(session, "d");
        put(session, "d/unclaimed", "2");
        Session next = machine.update();
        read(next, "a");

        String message = Fails.with(Errno.EBUSY, () -> next.finish(Finish.STRICT));

        assertTrue(message.contains("d/unclaimed"), message);
        assertTrue(next.error().contains("d/unclaimed"), next.error());
        assertEquals(State.UPDATED, next.state());
        assertEquals("claimed", status(next, "a"));
        read(next, "d/unclaimed");
        next.finish(Finish.STRICT);
        assertEquals(State.NORMAL, next.state());
        assertEquals("", next.error());
    }

    @Test
    void finishReleaseDropsWhatNobodyOpened_withAllItsNames() {
        put(session, "kept", "1");
        put(session, "dropped", "2");
        mkdir(session, "d");
        session.link(path("dropped"), path("d/second"));
        Session next = machine.update();
        read(next, "kept");

        next.finish(Finish.RELEASE);

        assertEquals(State.NORMAL, next.state());
        assertEquals(List.of("d", "kept"), find(next));
        assertEquals(List.of("d", "kept"), find(machine.update()));
    }

    @Test
    void whenLuoCannotFinishYet_nothingIsFinished() {
        put(session, "a", "1");
        Session next = machine.update();
        machine.luo().doesNotFinish(Errno.EBUSY);

        Fails.with(Errno.EBUSY, () -> next.finish(Finish.RELEASE));

        assertEquals(State.UPDATED, next.state());
        assertEquals("restored", status(next, "a"));
        machine.luo().finishes();
        next.finish(Finish.KEEP);
        assertEquals("1", read(next, "a"));
    }

    @Test
    void filesComeAndGoBetweenARestoreAndItsFinish() {
        put(session, "a", "1");
        put(session, "b", "2");
        Session next = machine.update();

        put(next, "c", "3");
        next.unlink(path("a"));
        next.truncate(path("b"), 0);
        next.rename(path("b"), path("a"));
        next.finish(Finish.KEEP);

        assertEquals(List.of("a", "c"), find(next));
        Session third = machine.update();
        assertEquals("", read(third, "a"));
        assertEquals("3", read(third, "c"));
    }

    @Test
    void theSameSessionGoesRoundAgainAndAgain() {
        adopt(session, machine.memfd("round 0"), "ram0");
        put(session, "log", "");
        for (int round = 1; round <= 4; round++) {
            session = machine.update();
            assertEquals(State.UPDATED, session.state(), session.error());
            assertEquals("round " + (round - 1), read(session, "ram0"));
            session.finish(Finish.KEEP);
            write(session, "ram0", "round " + round, 0);
            put(session, "new" + round, "");
            assertEquals(2 + round, session.usage().entries());
        }
    }

    @Test
    void tokensAreNeverUsedAgain() {
        touch(session, "a");
        touch(session, "b");
        long last = stat(session, "b").token();
        session.unlink(path("b"));
        session = machine.update();
        session.finish(Finish.KEEP);

        touch(session, "b");

        assertTrue(
                stat(session, "b").token() > last, "token " + stat(session, "b").token());
    }

    @Test
    void aSessionThatPreservedNothingIsFinishedAtOnce() {
        LiveUpdateSession nothing = machine.luo().createSession("nothing");
        machine.luo().kexec();
        nothing.close();

        try (Session fresh =
                Session.open(machine.luo(), "nothing", Settings.of(1, 2), Host.of(() -> Fd.memfd("entry")))) {
            assertEquals(State.NORMAL, fresh.state());
            Fails.with(Errno.ENOENT, () -> machine.luo().retrieveSession("nothing"));
            touch(fresh, "a");
            fresh.prepare();
            assertEquals(Set.of(0L, 1L), machine.luo().held());
        }
    }

    @Test
    void whatWasNotPreparedIsGone() {
        put(session, "a", "1");

        Session next = machine.kexec();

        assertEquals(State.NORMAL, next.state());
        assertEquals(List.of(), find(next));
    }

    @Test
    void aChangeAfterAKexecThatWasCancelledBeforeIsNotSeen() {
        put(session, "a", "1");
        session.prepare();
        session.cancel();

        assertEquals(List.of(), find(machine.kexec()));
    }

    @Test
    void mountOptionsOutdoWhatTheManifestSaysOfTheRoot() {
        session.chmod(EntryPath.ROOT, 0700);
        machine.with(new Settings(
                Optional.of(5), Optional.empty(), Optional.of(0750), 0, 0, Settings.Preserve.AT_PREPARE, 0, 0));

        Stat root = machine.update().stat(EntryPath.ROOT);

        assertEquals(5, root.uid());
        assertEquals(Machine.GID, root.gid());
        assertEquals(0750, root.mode());
    }

    @Test
    void aNewRootBelongsToWhoMounts() {
        Stat root = session.stat(EntryPath.ROOT);

        assertEquals(List.of(Machine.UID, Machine.GID, 0755), List.of(root.uid(), root.gid(), root.mode()));
    }

    @Test
    void manyFilesAndAManifestThatWasCompactedMeanwhile() {
        for (int i = 0; i < 600; i++) {
            touch(session, "a file with a name of some length, number " + i);
        }
        for (int i = 0; i < 600; i += 2) {
            session.rename(path("a file with a name of some length, number " + i), path("renamed " + i));
        }
        List<String> before = find(session);

        Session next = machine.update();

        assertEquals(State.UPDATED, next.state());
        assertEquals(before, find(next));
        assertNotEquals(0, before.size());
    }

    @Test
    void aLinkToARestoredFileIsASecondNameOfIt() {
        put(session, "a", "1");
        Session next = machine.update();
        try (OpenFile restored = next.open(path("a"), true)) {
            adopt(next, restored.file(), "b");
        }

        assertEquals(2, stat(next, "a").links());
        assertEquals(1, next.usage().entries());
    }
}
