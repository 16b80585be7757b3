package org.kexecfs.manifest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Map;
import jnr.constants.platform.linux.Errno;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Time;

class NodeTest {
    private final Node file = Node.of(1, Kind.FILE, 1000, 100, 0640, Changes.NOON, false);

    @Test
    void aChangedEntryKeepsTheRest() {
        Time later = new Time(5, 6);
        Node changed = file.withMode(04755)
                .withOwner(1, -2)
                .withTimes(Changes.NOON, later)
                .withXattr(Bytes.of("user.a"), Bytes.of("1"))
                .withXattr(Bytes.of("user.b"), Bytes.EMPTY)
                .withoutXattr(Bytes.of("user.a"))
                .withoutXattr(Bytes.of("user.none"));
        assertEquals(1, changed.token());
        assertEquals(04755, changed.mode());
        assertEquals(-2, changed.gid());
        assertEquals(later, changed.modified());
        assertEquals(Map.of(Bytes.of("user.b"), Bytes.EMPTY), changed.xattrs());
    }

    @Test
    void whatIsOutOfRangeIsRefused() {
        refused(Errno.EINVAL, () -> Node.of(-1, Kind.FILE, 0, 0, 0, Changes.NOON, false));
        refused(Errno.EINVAL, () -> Node.of(Bounds.TOKEN + 1, Kind.FILE, 0, 0, 0, Changes.NOON, false));
        refused(Errno.EINVAL, () -> Node.of(0, Kind.FILE, 0, 0, 0, Changes.NOON, false));
        refused(Errno.EINVAL, () -> file.withMode(0100644));
        refused(Errno.EINVAL, () -> file.withTimes(new Time(0, 1_000_000_000), Changes.NOON));
        refused(Errno.EINVAL, () -> file.withTimes(Changes.NOON, new Time(0, -1)));
        refused(Errno.EINVAL, () -> new Change.Remove(0));
        refused(Errno.EINVAL, () -> new Change.Link(0, Name.of("root"), 0));
        refused(Errno.EINVAL, () -> new Change.Link(-1, Name.of("a"), 1));
        refused(Errno.EINVAL, () -> new Change.Unlink(Bounds.TOKEN + 1, Name.of("a")));
    }

    @Test
    void attributesAreBoundedWithTheErrnosOfSetxattr() {
        refused(Errno.ERANGE, () -> file.withXattr(Bytes.EMPTY, Bytes.EMPTY));
        refused(Errno.ERANGE, () -> file.withXattr(Bytes.of("n".repeat(256)), Bytes.EMPTY));
        refused(Errno.EINVAL, () -> file.withXattr(Bytes.of("user.\0"), Bytes.EMPTY));
        refused(Errno.E2BIG, () -> file.withXattr(Bytes.of("user.a"), Bytes.of(new byte[65537])));
        Node full = file.withXattr(Bytes.of("a"), Bytes.of(new byte[65535]))
                .withXattr(Bytes.of("b"), Bytes.of(new byte[65535]));
        refused(Errno.ENOSPC, () -> full.withXattr(Bytes.of("c"), Bytes.EMPTY));
    }

    private static void refused(Errno errno, Executable what) {
        ErrnoException e = assertThrows(ErrnoException.class, what);
        assertTrue(e.is(errno), e::getMessage);
    }
}
