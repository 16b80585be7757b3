package org.kexecfs.session;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.kexecfs.session.Machine.adopt;
import static org.kexecfs.session.Machine.append;
import static org.kexecfs.session.Machine.mkdir;
import static org.kexecfs.session.Machine.path;
import static org.kexecfs.session.Machine.put;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.kexecfs.manifest.Bytes;
import org.kexecfs.manifest.Kind;
import org.kexecfs.session.Settings.Preserve;

/**
 * One history of a session that hands over each file at once, and a kexec before and after each call that changes what
 * LUO has: whatever was done before the call that the kexec interrupts is there, and nothing else.
 */
class KexecAtAnyMomentTest {
    /** What the next kernel may have of a file that has a name and no close. */
    private static final String MISSING = "(missing)";

    private static final String NOTHING = "(no such entry)";

    /** What has happened to whoever was in the middle of something. */
    private static final class Kexec extends RuntimeException {
        private static final long serialVersionUID = 1L;
    }

    /** A running kernel: the session, and what programs have open. */
    private static final class World {
        private final Machine machine;
        private final Session session;
        private final Map<String, OpenFile> open = new HashMap<>();

        private World(Machine machine) {
            this.machine = machine;
            this.session = machine.session();
        }

        private void create(String path) {
            open.put(path, machine.keep(session.create(path(path), 0600, 1, 1)));
        }

        private void open(String path) {
            open.put(path, machine.keep(session.open(path(path), true)));
        }
    }

    /**
     * One call, or a program's few.
     *
     * @param run does it
     * @param leaves what it changes of what the next kernel has, by path
     */
    private record Step(Consumer<World> run, Map<String, String> leaves) {}

    private static Step step(Consumer<World> run, String... leaves) {
        Map<String, String> changed = new TreeMap<>();
        for (int i = 0; i < leaves.length; i += 2) {
            changed.put(leaves[i], leaves[i + 1]);
        }
        return new Step(run, changed);
    }

    private static Step manifest(int bytes) {
        return step(w -> w.session.setXattr(path("d"), Bytes.of("user.long"), Bytes.of("x".repeat(bytes)), 0));
    }

    private static final List<Step> HISTORY = List.of(
            step(w -> mkdir(w.session, "d"), "d", "(directory)"),
            step(w -> w.create("log")),
            step(w -> append(w.open.get("log"), "one ")),
            step(w -> w.open.get("log").sync(), "log", "one "),
            step(w -> append(w.open.get("log"), "two "), "log", MISSING),
            step(w -> append(w.open.get("log"), "three "), "log", MISSING),
            step(w -> w.session.rename(path("log"), path("d/log")), "log", NOTHING, "d/log", MISSING),
            step(w -> w.open.get("log").sync(), "d/log", "one two three "),
            step(w -> adopt(w.session, w.machine.memfd("memory"), "ram"), "ram", "memory"),
            step(w -> Machine.write(w.session, "ram", "M", 0), "ram", "Memory"),
            step(w -> w.session.truncate(path("ram"), 3), "ram", "Mem"),
            step(w -> w.create("next")),
            step(w -> append(w.open.get("next"), "new ")),
            step(w -> w.open.get("next").sync(), "next", "new "),
            manifest(60_000),
            step(w -> w.session.rename(path("next"), path("d/log")), "next", NOTHING, "d/log", "new "),
            manifest(61_000),
            step(w -> w.open("d/log"), "d/log", "new "),
            step(w -> w.session.link(path("d/log"), path("second")), "second", "new "),
            step(w -> w.session.unlink(path("d/log")), "d/log", NOTHING),
            step(w -> w.open.get("d/log").truncate(1), "second", "n"),
            step(w -> w.session.unlink(path("second")), "second", NOTHING),
            manifest(62_000),
            step(w -> append(w.open.get("d/log"), "nobody's")),
            step(w -> w.open.get("d/log").sync()),
            step(w -> w.session.prepare()),
            step(w -> w.session.cancel()),
            step(w -> put(w.session, "last", ""), "last", ""));

    @TempDir
    private Path temporary;

    @Test
    void whatWasDoneBeforeTheKexecIsThere() throws Exception {
        int moment = 0;
        while (kexecAt(moment)) {
            moment++;
        }
        System.out.println("KexecAtAnyMomentTest: " + moment + " moments");
        assertTrue(moment > 40, moment + " moments");
    }

    /** Whether the history is long enough to come to this moment. */
    private boolean kexecAt(int moment) throws Exception {
        try (Machine machine = new Machine(Files.createTempDirectory(temporary, "m")).preserving(Preserve.AT_LINK)) {
            machine.open();
            Map<String, String> before = new TreeMap<>();
            Map<String, String> after = before;
            kexecAt(moment, machine);
            World world = new World(machine);
            boolean interrupted = false;
            int at = 0;
            for (; at < HISTORY.size() && !interrupted; at++) {
                before = after;
                after = new TreeMap<>(before);
                after.putAll(HISTORY.get(at).leaves());
                try {
                    HISTORY.get(at).run().accept(world);
                } catch (Kexec e) {
                    interrupted = true;
                }
            }
            machine.luo().atEachStep(() -> {});
            if (interrupted) {
                check(machine, before, after, "moment " + moment + ", in step " + at);
            }
            return interrupted;
        }
    }

    private static void kexecAt(int moment, Machine machine) {
        int[] moments = {moment};
        machine.luo().atEachStep(() -> {
            if (moments[0]-- == 0) {
                machine.luo().kexec();
                throw new Kexec();
            }
        });
    }

    @Test
    void aKexecDuringFinishFindsNothing_orTheFilesThatLuoHasByThen() throws Exception {
        boolean interrupted = true;
        List<Integer> restored = new ArrayList<>();
        for (int moment = 0; interrupted; moment++) {
            try (Machine machine =
                    new Machine(Files.createTempDirectory(temporary, "m")).preserving(Preserve.AT_LINK)) {
                Session session = machine.open();
                put(session, "a", "1");
                put(session, "b", "2");
                Session updated = machine.kexec();
                kexecAt(moment, machine);
                try {
                    updated.finish(Finish.KEEP);
                    interrupted = false;
                } catch (Kexec e) {
                    machine.luo().atEachStep(() -> {});
                    updated.close();
                    restored.add(restored(machine.open()));
                }
                machine.luo().atEachStep(() -> {});
            }
        }
        assertEquals(List.of(0, 1, 2), restored.stream().distinct().toList(), restored.toString());
    }

    /** How many files are there; the others must be missing, or the session a new one. */
    private static int restored(Session session) {
        Map<String, String> found = found(session);
        assertEquals(found.isEmpty() ? State.NORMAL : State.UPDATED, session.state(), session.error());
        assertTrue(found.isEmpty() || found.size() == 2, found.toString());
        found.values().removeIf(MISSING::equals);
        return found.size();
    }

    private static void check(Machine machine, Map<String, String> before, Map<String, String> after, String when) {
        machine.session().close();
        Session session = machine.open();
        assertEquals(State.UPDATED, session.state(), when + ": " + session.error());
        Map<String, String> found = found(session);
        Set<String> paths = new TreeSet<>(before.keySet());
        paths.addAll(after.keySet());
        paths.addAll(found.keySet());
        for (String path : paths) {
            String was = before.getOrDefault(path, NOTHING);
            String becomes = after.getOrDefault(path, NOTHING);
            // In the middle of a change of a size it is nowhere.
            boolean takenBack = !was.equals(becomes) && !was.equals(NOTHING) && !becomes.equals(NOTHING);
            String is = found.getOrDefault(path, NOTHING);
            assertTrue(
                    is.equals(was) || is.equals(becomes) || takenBack && is.equals(MISSING),
                    when + ": " + path + " was " + was + ", becomes " + becomes + ", is " + is);
        }
        boolean anyMissing = found.containsValue(MISSING);
        assertEquals(anyMissing, session.error().contains("missing"), when + ": " + session.error());

        session.finish(Finish.KEEP);

        assertEquals(List.of(), machine.luo().incoming(), when + ": what nobody took back");
        found.values().removeIf(MISSING::equals);
        assertEquals(found, found(session), when);
        Set<Long> held = session.files().stream()
                .filter(listed -> listed.kind() == Kind.FILE)
                .map(Listed::token)
                .collect(Collectors.toCollection(TreeSet::new));
        held.add(0L);
        assertEquals(held, machine.luo().held(), when);
    }

    private static Map<String, String> found(Session session) {
        Map<String, String> found = new TreeMap<>();
        for (Listed listed : session.files()) {
            String path = listed.path().toString();
            found.put(
                    path,
                    listed.kind() == Kind.DIRECTORY
                            ? "(directory)"
                            : listed.status().equals(Status.MISSING) ? MISSING : Machine.read(session, path));
        }
        return found;
    }
}
