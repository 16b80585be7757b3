package org.kexecfs.session;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import jnr.constants.platform.linux.Errno;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.kexecfs.keep.FakeSystemd;
import org.kexecfs.keep.Keep;
import org.kexecfs.keep.Shelf;
import org.kexecfs.luo.EmulatedLiveUpdate;
import org.kexecfs.luo.LiveUpdateSession;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.session.Settings.Preserve;

/**
 * Sessions that systemd keeps, while it reads nothing of what it is told: a session's name, and its files, are free only when it has
 * closed what it has, too. As long as the test says; whoever waits for it is waited for by {@link #waits}.
 */
class SlowSystemdTest {
    private static final String NAME = "vm";

    @TempDir
    private Path directory;

    private final Kills kills = new Kills();
    private FakeSystemd systemd;
    private StepLuo luo;
    private Keep keep;
    private Session session;

    @BeforeEach
    void start() {
        kills.never();
        systemd = new FakeSystemd(directory.resolve("notify").toString());
        luo = new StepLuo(directory.resolve("luo"), kills);
        keep = systemd.keep(100);
        open(Preserve.AT_PREPARE);
    }

    @AfterEach
    void end() {
        session.close();
        keep.close();
        luo.die();
        systemd.close();
    }

    private void open(Preserve preserve) {
        Settings defaults = Settings.of(Machine.UID, Machine.GID);
        Settings settings = new Settings(
                defaults.uid(),
                defaults.gid(),
                defaults.mode(),
                defaults.creatorUid(),
                defaults.creatorGid(),
                preserve,
                defaults.size(),
                defaults.inodes());
        session = Session.open(
                luo, NAME, settings, new Host(() -> Fd.memfd("entry"), Ownership.ALONE, new Shelf(keep, NAME)));
    }

    /** The process is killed, and the next one is started by systemd, which has read what the first has told it. */
    private void restart(Preserve preserve) {
        keep.settle();
        keep.close();
        luo.die();
        keep = systemd.keep(100);
        open(preserve);
    }

    private static CompletableFuture<Void> begun(Runnable what) {
        return CompletableFuture.runAsync(
                what, task -> Thread.ofPlatform().daemon().start(task));
    }

    /** Begins it while systemd reads nothing. */
    private CompletableFuture<Void> meanwhile(Runnable what) {
        systemd.pause();
        return begun(what);
    }

    private static void waits(CompletableFuture<Void> what) {
        assertThrows(java.util.concurrent.TimeoutException.class, () -> what.get(200, TimeUnit.MILLISECONDS));
    }

    private static void ends(CompletableFuture<Void> what) throws Exception {
        what.get(30, TimeUnit.SECONDS);
    }

    /** Nobody who asks LUO itself finds the name free. */
    private boolean hasItsName() {
        try (LiveUpdateSession _ = new EmulatedLiveUpdate(directory.resolve("luo")).createSession(NAME)) {
            return false;
        } catch (ErrnoException e) {
            assertEquals(Errno.EEXIST, e.errno());
            return true;
        }
    }

    private Set<String> storedSessions() {
        keep.settle();
        return systemd.store().keySet().stream()
                .filter(name -> name.startsWith(NAME + "/luo."))
                .collect(Collectors.toSet());
    }

    /** systemd may wait for a mount of ours, which needs the session's lock. */
    @Test
    void whatIsAskedMeanwhile_isAnswered() throws Exception {
        Machine.put(session, "ram", "bytes");
        session.prepare();
        CompletableFuture<Void> cancel = meanwhile(session::cancel);
        waits(cancel);
        begun(() -> {
                    assertEquals("bytes", Machine.read(session, "ram"));
                    assertEquals(1, session.usage().entries());
                    Machine.write(session, "ram", "BYTES", 0);
                })
                .get(10, TimeUnit.SECONDS);
        systemd.goOn();
        ends(cancel);
    }

    @Test
    void cancelReturnsWhenLuoHasLetGo_andTheNameIsOursAgain() throws Exception {
        Machine.put(session, "ram", "bytes");
        session.prepare();
        CompletableFuture<Void> cancel = meanwhile(session::cancel);
        waits(cancel);
        assertEquals(State.PREPARED, session.state());
        systemd.goOn();
        ends(cancel);
        assertEquals(State.NORMAL, session.state());
        assertEquals("", session.error());
        assertTrue(hasItsName());
        session.truncate(EntryPath.of("ram"), 0);
        session.prepare();
        assertEquals(Set.of("vm/luo.3"), storedSessions());
    }

    @Test
    void whileACancelWaits_aPrepareIsNoPrepareOfBefore() throws Exception {
        Machine.put(session, "ram", "bytes");
        session.prepare();
        CompletableFuture<Void> cancel = meanwhile(session::cancel);
        waits(cancel);
        CompletableFuture<Void> prepare = begun(session::prepare);
        waits(prepare);
        systemd.goOn();
        ends(cancel);
        ends(prepare);
        assertEquals(State.PREPARED, session.state());
        luo.kexec();
        systemdForgets();
        assertEquals("bytes", Machine.read(session, "ram"));
    }

    /** As a kexec does; LUO's sessions are of the kernel before, too, and the next retrieves them anew. */
    private void systemdForgets() {
        session.close();
        keep.settle();
        assertEquals(Set.of(), systemd.store().keySet());
        open(Preserve.AT_PREPARE);
        assertEquals(State.UPDATED, session.state());
    }

    @Test
    void aPrepareThatFailsLeavesTheSessionWithItsName() throws Exception {
        Machine.put(session, "ram", "bytes");
        Fd taken = Fd.memfd("of another session of LUO's");
        Machine.adopt(session, taken, "taken");
        LiveUpdateSession other = new EmulatedLiveUpdate(directory.resolve("luo")).createSession("other");
        other.preserve(taken, 1);
        CompletableFuture<Void> prepare = meanwhile(() -> assertThrows(ErrnoException.class, session::prepare));
        waits(prepare);
        systemd.goOn();
        ends(prepare);
        assertTrue(hasItsName());
        other.close();
        taken.close();
        session.prepare();
    }

    /** Incoming and outgoing names are apart, and what was finished is free. */
    @Test
    void finishWaitsForNobody_andPrepareAfterItSucceeds() throws Exception {
        Machine.put(session, "ram", "bytes");
        session.prepare();
        luo.kexec();
        session.close();
        open(Preserve.AT_PREPARE);
        assertEquals(State.UPDATED, session.state());
        ends(meanwhile(() -> session.finish(Finish.KEEP)));
        assertEquals("", session.error());
        assertTrue(hasItsName());
        CompletableFuture<Void> prepare = begun(session::prepare);
        systemd.goOn();
        ends(prepare);
        assertEquals(State.PREPARED, session.state());
    }

    @ParameterizedTest
    @EnumSource
    void unmountWaitsForNobody_andTheNextMountOfTheNameDoes(Preserve preserve) throws Exception {
        session.close();
        open(preserve);
        Machine.put(session, "ram", "bytes");
        keep.settle();
        CompletableFuture<Void> close = meanwhile(session::close);
        ends(close);
        assertTrue(hasItsName());
        CompletableFuture<Void> next = begun(() -> open(preserve));
        waits(next);
        systemd.goOn();
        ends(next);
        assertEquals(State.NORMAL, session.state());
        assertEquals(Set.of(), session.list(EntryPath.ROOT).keySet());
        assertTrue(hasItsName());
    }

    @Test
    void whatWasUnmountedEndsOnceSystemdHasClosedIt() {
        Machine.put(session, "ram", "bytes");
        session.prepare();
        systemd.pause();
        session.close();
        systemd.goOn();
        keep.settle();
        assertFalse(hasItsName());
        assertEquals(Set.of(), systemd.store().keySet());
    }

    @Test
    void killedWhileACancelWaits_theSessionIsNormalAndHasItsName() throws Exception {
        Machine.put(session, "ram", "bytes");
        session.prepare();
        CompletableFuture<Void> cancel = meanwhile(session::cancel);
        waits(cancel);
        kills.at(1);
        systemd.goOn();
        assertThrows(java.util.concurrent.ExecutionException.class, () -> ends(cancel));
        kills.never();
        restart(Preserve.AT_PREPARE);
        assertEquals(State.NORMAL, session.state());
        assertEquals("bytes", Machine.read(session, "ram"));
        assertTrue(hasItsName());
        session.prepare();
    }

    @Test
    void killedWhileSystemdIsToCloseWhatWasUnmounted_theNextBeginsWithNothing() {
        Machine.put(session, "ram", "bytes");
        session.prepare();
        systemd.pause();
        session.close();
        systemd.goOn();
        restart(Preserve.AT_PREPARE);
        assertEquals(State.NORMAL, session.state());
        assertEquals(Set.of(), session.list(EntryPath.ROOT).keySet());
    }

    /** A restart of many sessions, one after the other, keeps systemd busy enough. */
    @Test
    void aRestartClosesNothingThatItGoesOnWith() {
        Machine.put(session, "ram", "bytes");
        restart(Preserve.AT_PREPARE);
        assertEquals(Set.of("vm/luo.2"), storedSessions());
        assertTrue(hasItsName());
        session.prepare();
        restart(Preserve.AT_PREPARE);
        assertEquals(State.PREPARED, session.state());
        assertEquals(Set.of("vm/luo.2"), storedSessions());
    }

    /** Each file that LUO has is closed there for its size to change. */
    @Test
    void whereFilesArePreservedAtOnce_writersWaitAndNobodyElse() throws Exception {
        session.close();
        open(Preserve.AT_LINK);
        Machine.put(session, "ram", "bytes");
        Machine.put(session, "other", "bytes");
        CompletableFuture<Void> write = meanwhile(() -> Machine.write(session, "ram", "longer than before", 0));
        waits(write);
        begun(() -> assertEquals("bytes", Machine.read(session, "other"))).get(10, TimeUnit.SECONDS);
        systemd.goOn();
        ends(write);
        assertEquals("preserved", Machine.status(session, "ram"));
        CompletableFuture<Void> truncate = meanwhile(() -> session.truncate(EntryPath.of("ram"), 3));
        waits(truncate);
        systemd.goOn();
        ends(truncate);
        assertEquals("lon", Machine.read(session, "ram"));
        assertEquals("preserved", Machine.status(session, "ram"));
        assertEquals("", session.error());
    }

    /** Nothing of ours is about to end, so nobody is waited for. */
    @Test
    void aNameThatSomebodyElseHasIsRefusedAtOnce() {
        session.close();
        keep.settle();
        try (LiveUpdateSession other = new EmulatedLiveUpdate(directory.resolve("luo")).createSession(NAME)) {
            ErrnoException e = assertThrows(ErrnoException.class, () -> open(Preserve.AT_PREPARE));
            assertEquals(Errno.EEXIST, e.errno());
            assertEquals(NAME, other.name());
        }
    }
}
