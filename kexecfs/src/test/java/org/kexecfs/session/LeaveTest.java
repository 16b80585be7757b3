package org.kexecfs.session;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import jnr.constants.platform.linux.Errno;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.kexecfs.keep.Shelf;
import org.kexecfs.manifest.Bytes;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.session.Settings.Preserve;

/** A session that is handed to the next kernel by itself, because a kexec is coming. */
class LeaveTest {
    private static final String NAME = "vm";

    @TempDir
    private Path directory;

    private final Kills kills = new Kills();
    private TestKeep keep;
    private TestKeep.Client process;
    private TestLuo luo;
    private Session session;

    @BeforeEach
    void start() {
        kills.never();
        keep = new TestKeep(kills);
        luo = new TestLuo(directory.resolve("luo"));
        open(Preserve.AT_PREPARE);
    }

    @AfterEach
    void end() {
        session.close();
        process.die();
        keep.close();
    }

    private void open(Preserve preserve) {
        process = keep.connect();
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
                luo, NAME, settings, new Host(() -> Fd.memfd("entry"), Ownership.ALONE, new Shelf(process, NAME)));
    }

    private void kexec(Preserve preserve) {
        luo.kexec();
        process.die();
        keep.forget();
        open(preserve);
    }

    private void kexec() {
        kexec(Preserve.AT_PREPARE);
    }

    @ParameterizedTest
    @EnumSource
    void whatIsLeft_isThereInTheNextKernel(Preserve preserve) {
        session.close();
        open(preserve);
        Machine.put(session, "ram", "bytes");
        session.leave();
        kexec(preserve);
        assertEquals(State.UPDATED, session.state());
        assertEquals("bytes", Machine.read(session, "ram"));
    }

    @Test
    void whatWasPreparedAlready_isLeftAsItIs() {
        Machine.put(session, "ram", "bytes");
        session.prepare();
        session.leave();
        kexec();
        assertEquals("bytes", Machine.read(session, "ram"));
    }

    @Test
    void whatWasRestoredAndNotAccepted_comesThroughTheNextKexecToo() {
        Machine.put(session, "ram", "bytes");
        session.leave();
        kexec();
        Machine.put(session, "more", "of this kernel");
        session.leave();
        kexec();
        assertEquals(State.UPDATED, session.state());
        assertEquals(2, session.cycle());
        assertEquals("bytes", Machine.read(session, "ram"));
        assertEquals("of this kernel", Machine.read(session, "more"));
    }

    @Test
    void afterIt_closeTakesNothingBack() {
        Machine.put(session, "ram", "bytes");
        session.leave();
        session.leave();
        session.close();
        assertEquals(
                Errno.EIO,
                assertThrows(ErrnoException.class, () -> session.stat(EntryPath.of("ram")))
                        .errno());
        kexec();
        assertEquals("bytes", Machine.read(session, "ram"));
    }

    @ParameterizedTest
    @EnumSource
    void whatLuoRefuses_isMissedInTheNextKernel_andTheRestIsThere(Preserve preserve) {
        session.close();
        open(preserve);
        Machine.put(session, "ram", "bytes");
        // Open: LUO is to have it at once when it is closed.
        session.create(EntryPath.of("refused"), 0600, Machine.UID, Machine.GID);
        luo.refuses(Machine.stat(session, "refused").token(), Errno.EBUSY);
        assertThrows(ErrnoException.class, session::prepare);
        session.leave();
        kexec(preserve);
        assertEquals("bytes", Machine.read(session, "ram"));
        if (preserve == Preserve.AT_PREPARE) {
            assertEquals(State.FAILED, session.state());
            assertTrue(session.error().contains("refused"), session.error());
        } else {
            // It was new, and nobody had closed it: that is as if it had never been.
            assertEquals(State.UPDATED, session.state());
        }
    }

    @Test
    void whatIsRequiredAndNotThere_holdsNothingBack() {
        Machine.put(session, "ram", "bytes");
        session.setXattr(EntryPath.of("ram"), Bytes.of("user.kexecfs.requires"), Bytes.of("missing"), 0);
        session.leave();
        kexec();
        assertEquals("bytes", Machine.read(session, "ram"));
    }

    @Test
    void whatRequiresWhatIsLost_isNotLostWithItInTheNextKexec() {
        Machine.put(session, "lost", "lost");
        Machine.put(session, "ram", "bytes");
        session.setXattr(EntryPath.of("ram"), Bytes.of("user.kexecfs.requires"), Bytes.of("lost"), 0);
        long lost = Machine.stat(session, "lost").token();
        session.leave();
        luo.loses(lost, Errno.EIO);
        kexec();
        assertEquals(State.FAILED, session.state());
        session.leave();
        kexec();
        assertEquals(State.UPDATED, session.state());
        assertEquals("bytes", Machine.read(session, "ram"));
    }

    @Test
    void whatCannotBePreparedAtAll_goesOn() {
        Machine.put(session, "ram", "bytes");
        session.prepare();
        session.cancel();
        luo.refuse(0, Errno.ENODEV);
        luo.down(Errno.ENODEV);
        assertEquals(
                Errno.ENODEV, assertThrows(ErrnoException.class, session::leave).errno());
        assertEquals(State.NORMAL, session.state());
        assertEquals("bytes", Machine.read(session, "ram"));
    }
}
