package org.kexecfs.mount;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import jnr.constants.platform.linux.Errno;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.kexecfs.keep.Coming;
import org.kexecfs.keep.Keep;
import org.kexecfs.keep.Shelf;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;

/** Anchors of mounts that nobody serves: who asks such a one waits until it is dead. Needs root, /dev/fuse and Linux 6.15. */
class AnchorTest {
    private static final int LARGEST_REQUEST = 1 << 21;

    private final Held held = new Held();
    private final Shelf shelf = new Shelf(held, "web");
    private final FuseMount mount = FuseMount.create("web", MountOptions.parse("emulate=/nowhere"));

    /** What a process before has parked. */
    private static final class Held implements Keep {
        private final Map<String, Fd> files = new HashMap<>();

        @Override
        public Map<String, Fd> found() {
            return files;
        }

        @Override
        public void park(Map<String, Fd> parked) {
            parked.forEach((name, file) -> files.put(name, file.dup()));
        }

        @Override
        public void release(String name) {
            Optional.ofNullable(files.remove(name)).ifPresent(Fd::close);
        }

        @Override
        public void settle() {
            // It is done.
        }

        @Override
        public Coming coming() {
            return Coming.NOTHING;
        }

        @Override
        public void close() {
            files.values().forEach(Fd::close);
        }
    }

    @AfterEach
    void letGo() {
        mount.close();
        held.close();
    }

    private void dies() {
        mount.close();
    }

    @Test
    void whoeverHoldsAnAnchor_looksAtItWithoutAskingTheSession() throws IOException, InterruptedException {
        Anchor.park(shelf, mount.root());
        Fd parked = held.files.get("web/anchor.1");
        Process stat = new ProcessBuilder(
                        "stat", "-L", "/proc/" + ProcessHandle.current().pid() + "/fd/" + parked.number())
                .redirectErrorStream(true)
                .start();
        boolean answered = stat.waitFor(20, TimeUnit.SECONDS);
        dies();
        assertTrue(answered);
        assertEquals(0, stat.waitFor());
    }

    @Test
    void whenItsServerHasDied_anAnchorStillTellsTheFilesystem() {
        Anchor.park(shelf, mount.root());
        dies();
        assertEquals(mount.deviceNumber(), Anchor.found(shelf).getFirst().device());
    }

    @Test
    void aSessionThatWasNotMountedYet_wasNotUnmounted() {
        Anchor anchor = Anchor.park(shelf, mount.root());
        assertEquals(Set.of(), Anchor.numbersMounted(shelf));
        anchor.mounted(mount.root());
        dies();
        assertEquals(Set.of(mount.deviceNumber()), Anchor.numbersMounted(shelf));
    }

    @Test
    void theNextDaemonsAnchor_hasANameOfItsOwn() {
        Anchor.park(shelf, mount.root());
        Anchor.park(shelf, mount.root());
        assertEquals(Set.of("web/anchor.1", "web/anchor.2"), held.files.keySet());
    }

    @Test
    void anAnchorThatIsLetGo_doesNotKeepTheFilesystemFromItsEnd() {
        Anchor.park(shelf, mount.root()).close();
        assertFalse(held.files.containsKey("web/anchor.1"));
        mount.root().close();
        // The filesystem ended: who reads what it is asked is told so.
        ErrnoException said = assertThrows(
                ErrnoException.class, () -> mount.device().read(Fd.allocate(LARGEST_REQUEST), LARGEST_REQUEST));
        assertTrue(said.is(Errno.ENODEV), said.getMessage());
    }

    @Test
    void anOlderKexecfsd_parkedTheSessionsMountItself() {
        shelf.park("anchor.7", mount.root());
        dies();
        Anchor found = Anchor.found(shelf).getFirst();
        assertEquals(mount.deviceNumber(), found.device());
        assertEquals(Set.of(mount.deviceNumber()), Anchor.numbersMounted(shelf));
    }
}
