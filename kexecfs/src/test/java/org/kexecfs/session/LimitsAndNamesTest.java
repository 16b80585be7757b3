package org.kexecfs.session;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.kexecfs.session.Machine.adopt;
import static org.kexecfs.session.Machine.find;
import static org.kexecfs.session.Machine.mkdir;
import static org.kexecfs.session.Machine.path;
import static org.kexecfs.session.Machine.put;
import static org.kexecfs.session.Machine.read;
import static org.kexecfs.session.Machine.touch;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import jnr.constants.platform.linux.Errno;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.kexecfs.manifest.BrokenChange;
import org.kexecfs.manifest.Change;
import org.kexecfs.manifest.Kind;
import org.kexecfs.manifest.Manifest;
import org.kexecfs.manifest.Name;
import org.kexecfs.manifest.Node;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.Time;

/** What a session may hold: limits, names, rename(2)'s cases, and what no manifest can make of it. */
class LimitsAndNamesTest {
    @TempDir
    private Path temporary;

    private Machine machine;

    @BeforeEach
    void makeOne() {
        machine = new Machine(temporary);
    }

    @AfterEach
    void close() {
        machine.close();
    }

    private static Settings limits(long size, long inodes) {
        return new Settings(
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                Machine.UID,
                Machine.GID,
                Settings.Preserve.AT_PREPARE,
                size,
                inodes);
    }

    @Test
    void pastItsEntriesThereIsNoSpace_directoriesCount_andNamesDoNot() {
        Session session = machine.with(limits(0, 2)).open();
        touch(session, "a");
        mkdir(session, "d");

        assertTrue(Fails.with(Errno.ENOSPC, () -> touch(session, "b")).contains("nr_inodes=2"));
        Fails.with(Errno.ENOSPC, () -> mkdir(session, "e"));
        Fails.with(Errno.ENOSPC, () -> adopt(session, machine.memfd("1"), "ram0"));
        session.link(path("a"), path("b"));
        session.unlink(path("a"));
        session.unlink(path("b"));
        touch(session, "c");
    }

    @Test
    void whatIsLinkedCountsWithItsSize() {
        Session session = machine.with(limits(10, 0)).open();
        adopt(session, machine.memfd("12345678"), "ram0");

        assertTrue(Fails.with(Errno.ENOSPC, () -> adopt(session, machine.memfd("123"), "ram1"))
                .contains("size=10"));
        adopt(session, machine.memfd("12"), "ram1");
        assertEquals(new Usage(2, 10, 0, 10), session.usage());
    }

    @Test
    void aRestoreNeverFailsForALimit() {
        Session session = machine.open();
        put(session, "a", "12345678");
        put(session, "b", "12345678");

        Session next = machine.with(limits(1, 1)).update();

        assertEquals(State.UPDATED, next.state());
        assertEquals("12345678", read(next, "b"));
        Fails.with(Errno.ENOSPC, () -> touch(next, "c"));
    }

    @Test
    void namesOfAnyBytesAreKept() {
        Session session = machine.open();
        byte[] odd = {(byte) 0xff, '\n', '\t', ' ', '\\', 1};
        EntryPath longest = path("n".repeat(255));
        session.create(EntryPath.of(odd), 0600, 0, 0).close();
        session.create(longest, 0600, 0, 0).close();
        Fails.with(Errno.ENAMETOOLONG, () -> touch(session, "n".repeat(256)));

        Session next = machine.update();

        next.stat(EntryPath.of(odd));
        next.stat(longest);
        assertTrue(find(next).contains("\\377\\012\\011 \\134\\001"), find(next).toString());
    }

    @ParameterizedTest
    @ValueSource(strings = {"kexecfs.", "kexecfs.mine", "d/kexecfs.mine"})
    void reservedNamesAreRefused(String name) {
        Session session = machine.open();
        mkdir(session, "d");
        touch(session, "a");

        Fails.with(Errno.EPERM, () -> touch(session, name));
        Fails.with(Errno.EPERM, () -> mkdir(session, name));
        Fails.with(Errno.EPERM, () -> session.link(path("a"), path(name)));
        Fails.with(Errno.EPERM, () -> session.rename(path("a"), path(name)));
        Fails.with(Errno.EPERM, () -> adopt(session, machine.memfd(""), name));
        touch(session, "kexecfs");
        touch(session, "d/Kexecfs.x");
    }

    @Test
    void directoriesAreBoundedInDepth() {
        Session session = machine.open();
        StringBuilder deep = new StringBuilder("d");
        mkdir(session, "d");
        for (int i = 1; i < Tree.MAX_DEPTH; i++) {
            deep.append("/d");
            mkdir(session, deep.toString());
        }

        Fails.with(Errno.ENAMETOOLONG, () -> mkdir(session, deep + "/d"));
        mkdir(session, "e");
        Fails.with(Errno.ENAMETOOLONG, () -> session.rename(path("d"), path("e/d")));
        assertEquals(State.UPDATED, machine.update().state());
    }

    /** rename(2), by what is moved and what is in the way. */
    @Test
    void renameReplacesFilesByFilesAndEmptyDirectoriesByDirectories() {
        Session session = machine.open();
        put(session, "a", "a");
        put(session, "b", "b");
        mkdir(session, "d");
        mkdir(session, "empty");
        mkdir(session, "full");
        touch(session, "full/x");

        Fails.with(Errno.ENOENT, () -> session.rename(path("none"), path("a")));
        Fails.with(Errno.ENOENT, () -> session.rename(path("a"), path("none/a")));
        Fails.with(Errno.ENOTDIR, () -> session.rename(path("a"), path("b/a")));
        Fails.with(Errno.EISDIR, () -> session.rename(path("a"), path("empty")));
        Fails.with(Errno.ENOTDIR, () -> session.rename(path("d"), path("a")));
        Fails.with(Errno.ENOTEMPTY, () -> session.rename(path("d"), path("full")));
        Fails.with(Errno.EINVAL, () -> session.rename(path("full"), path("full/below")));
        Fails.with(Errno.EBUSY, () -> session.rename(path("d"), EntryPath.ROOT));
        assertEquals(List.of("a", "b", "d", "empty", "full", "full/x"), find(session));

        session.rename(path("a"), path("a"));
        session.rename(path("a"), path("b"));
        assertEquals("a", read(session, "b"));
        session.rename(path("full"), path("empty"));
        session.rename(path("empty"), path("d/moved"));
        assertEquals(List.of("b", "d", "d/moved", "d/moved/x"), find(session));
    }

    @Test
    void aRenameOntoAnotherNameOfTheSameFileDoesNothing() {
        Session session = machine.open();
        touch(session, "a");
        session.link(path("a"), path("b"));

        session.rename(path("a"), path("b"));

        assertEquals(List.of("a", "b"), find(session));
    }

    @Test
    void noReplaceAndExchange() {
        Session session = machine.open();
        put(session, "a", "a");
        mkdir(session, "d");
        put(session, "d/b", "b");

        Fails.with(Errno.EEXIST, () -> session.rename(path("a"), path("d/b"), Rename.NOREPLACE));
        session.rename(path("a"), path("d/b"), Rename.EXCHANGE);
        assertEquals("b", read(session, "a"));
        assertEquals("a", read(session, "d/b"));
        session.rename(path("a"), path("d"), Rename.EXCHANGE);
        assertEquals("b", read(session, "d"));
        assertEquals("a", read(session, "a/b"));
        Fails.with(Errno.EINVAL, () -> session.rename(path("a"), path("a/b"), Rename.EXCHANGE));
        Fails.with(Errno.EINVAL, () -> session.rename(path("a/b"), path("a"), Rename.EXCHANGE));
        Fails.with(Errno.ENOENT, () -> session.rename(path("a"), path("none"), Rename.EXCHANGE));
        session.rename(path("a"), path("free"), Rename.NOREPLACE);
        assertEquals(List.of("d", "free", "free/b"), find(machine.update()));
    }

    // Manifests that no session writes

    private static Change entry(long token, Kind kind) {
        return new Change.Put(Node.of(token, kind, 0, 0, 0755, new Time(0, 0), false));
    }

    private static Change link(long parent, String name, long token) {
        return new Change.Link(parent, Name.of(name), token);
    }

    private static void assertBroken(Change... changes) {
        Tree tree = new Tree();
        tree.apply(entry(0, Kind.DIRECTORY));
        tree.apply(entry(1, Kind.FILE));
        tree.apply(entry(2, Kind.DIRECTORY));
        tree.apply(entry(3, Kind.DIRECTORY));
        tree.apply(link(0, "d", 2));
        for (int i = 0; i < changes.length - 1; i++) {
            tree.apply(changes[i]);
        }
        org.junit.jupiter.api.Assertions.assertThrows(
                BrokenChange.class, () -> tree.apply(changes[changes.length - 1]));
    }

    @Test
    void aTreeTakesNoChangeThatDoesNotFit() {
        assertBroken(link(0, "x", 99));
        assertBroken(link(99, "x", 1));
        assertBroken(link(1, "x", 2));
        assertBroken(link(0, "kexecfs.state", 1));
        assertBroken(link(2, "kexecfs.x", 1));
        assertBroken(link(0, "second", 2));
        assertBroken(link(2, "self", 2));
        assertBroken(link(3, "into what is nowhere", 2));
        assertBroken(entry(1, Kind.DIRECTORY));
        assertBroken(entry(2, Kind.FILE));
        assertBroken(new Change.Unlink(0, Name.of("none")));
        assertBroken(new Change.Remove(99));
        assertBroken(new Change.Remove(2));
        assertBroken(link(0, "a", 1), new Change.Remove(1));
        assertBroken(link(2, "e", 3), link(3, "d", 2));
    }

    private Session restored(Change... changes) {
        machine.open();
        machine.luo().gives(Preserved.MANIFEST, file -> {
            file.close();
            try (Manifest manifest = Manifest.create(Machine.NAME)) {
                manifest.append(List.of(changes));
                return manifest.memfd().dup();
            }
        });
        return machine.update();
    }

    @Test
    void entriesWithoutANameAreDropped_andTold() {
        Session failed = restored(
                entry(0, Kind.DIRECTORY),
                entry(1, Kind.FILE),
                entry(2, Kind.DIRECTORY),
                entry(3, Kind.DIRECTORY),
                link(0, "d", 2));

        assertEquals(State.FAILED, failed.state());
        assertTrue(failed.error().contains("without a name: token 1, 3"), failed.error());
        assertEquals(List.of("d"), find(failed));
        failed.finish(Finish.KEEP);
        touch(failed, "goes on");
    }

    @Test
    void aManifestWithoutARootGivesNothing() {
        Session failed = restored(entry(1, Kind.FILE));

        assertEquals(State.FAILED, failed.state());
        assertEquals(List.of(), find(failed));
        failed.finish(Finish.KEEP);
        touch(failed, "goes on");
    }

    @Test
    void aDirectoryBelowItselfIsTold_andWhatCameBeforeIsThere() {
        Session failed = restored(
                entry(0, Kind.DIRECTORY),
                entry(1, Kind.DIRECTORY),
                entry(2, Kind.DIRECTORY),
                link(0, "good", 1),
                link(2, "cycle", 2),
                link(0, "after", 2));

        assertEquals(State.FAILED, failed.state());
        assertEquals(List.of("good"), find(failed));
    }

    @Test
    void anOpenFileThatIsLinkedTwiceIsOneEntryWithTwoNames() {
        Session session = machine.open();
        touch(session, "a");
        Fd file = machine.memfd("x");
        adopt(session, file, "b");
        adopt(session, file, "c");

        assertEquals(2, session.usage().entries());
        assertEquals(2, Machine.stat(session, "c").links());
    }
}
