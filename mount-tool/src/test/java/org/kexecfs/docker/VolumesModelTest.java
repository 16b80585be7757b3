package org.kexecfs.docker;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.kexecfs.posix.ErrnoException;

/** Any calls, with kills of the plugin and boots between them, against a table of who uses what. */
class VolumesModelTest {
    private static final String KILL = "kill";
    private static final String BOOT = "boot";

    /** A kill in the midst of a call: what was done with the session is done, and nothing of what comes after it. */
    private static final String IN_MIDST = "Killed";

    /**
     * A call, or what befalls the plugin.
     *
     * @param what a method of VolumeDriver, after {@link #IN_MIDST} one that is not finished; or {@link #KILL}, or {@link #BOOT}
     */
    record Step(String what, String volume, String user) {}

    @Provide
    Arbitrary<List<Step>> lives() {
        return Combinators.combine(
                        Arbitraries.of(
                                "Create",
                                "Remove",
                                "Mount",
                                "Mount",
                                "Unmount",
                                "Get",
                                "Path",
                                IN_MIDST + "Mount",
                                IN_MIDST + "Remove",
                                KILL,
                                BOOT),
                        Arbitraries.of("a", "b"),
                        Arbitraries.of("1", "2", "3"))
                .as(Step::new)
                .list()
                .ofMaxSize(40);
    }

    /** Sessions of a host whose plugin dies, as far as that can be seen from here: no step of its own follows. */
    private static final class MortalSessions extends FakeSessions {
        private String deadly = "";

        @Override
        public void mount(String session, Path directory, String given) {
            super.mount(session, directory, given);
            dieIn("Mount");
        }

        @Override
        public void end(String session, Path directory) {
            super.end(session, directory);
            dieIn("Remove");
        }

        private void dieIn(String method) {
            if (deadly.equals(method)) {
                throw new Killed();
            }
        }
    }

    /** Nothing that is executed comes after it. */
    private static final class Killed extends Error {
        private static final long serialVersionUID = 1L;
    }

    @Property(tries = 150, seed = "4711")
    void theTableHolds(@ForAll("lives") List<Step> steps) throws Exception {
        Path state = Files.createTempDirectory("kexecfs-volumes");
        MortalSessions sessions = new MortalSessions();
        Map<String, Set<String>> users = new TreeMap<>();
        int boots = 0;
        Records records = Records.open(state, "boot");
        try {
            for (Step step : steps) {
                if (step.what().equals(BOOT)) {
                    boots++;
                    sessions.mounted.clear();
                    users.values().forEach(Set::clear);
                }
                // Every call meets a plugin that knows what is recorded, and nothing else.
                records.close();
                records = Records.open(state, "boot" + boots);
                sessions.deadly = step.what().startsWith(IN_MIDST) ? step.what().substring(IN_MIDST.length()) : "";
                Volumes volumes = new Volumes(records, sessions, Path.of("/volumes"), "");
                if (step.what().equals(BOOT)) {
                    volumes.mountAll();
                    assertEquals(users.keySet(), sessions.mounted.keySet());
                } else if (!sessions.deadly.isEmpty()) {
                    killedIn(sessions.deadly, volumes, step);
                } else if (!step.what().equals(KILL)) {
                    assertEquals(expected(step, users), status(volumes, step.what(), step), step::toString);
                }
                assertEquals(users, recorded(records.load()), step::toString);
            }
        } finally {
            records.close();
            delete(state);
        }
    }

    /** What is to be answered; and what is true then. */
    private static int expected(Step step, Map<String, Set<String>> users) {
        Set<String> of = users.get(step.volume());
        return switch (step.what()) {
            case "Create" -> {
                users.putIfAbsent(step.volume(), new TreeSet<>());
                yield 200;
            }
            case "Remove" -> {
                if (of != null && !of.isEmpty()) {
                    yield 409;
                }
                users.remove(step.volume());
                yield 200;
            }
            case "Mount" -> of == null ? 404 : done(of.add(step.user()));
            case "Unmount" -> of == null ? 404 : done(of.remove(step.user()));
            default -> of == null ? 404 : 200;
        };
    }

    private static int done(boolean changed) {
        return 200;
    }

    private static int status(Volumes volumes, String method, Step step) {
        String json = "{\"Name\":\"%s\",\"ID\":\"%s\"}".formatted(step.volume(), step.user());
        return new Protocol(volumes)
                .answer("POST", "/VolumeDriver." + method, json.getBytes(StandardCharsets.UTF_8))
                .status();
    }

    private static void killedIn(String method, Volumes volumes, Step step) {
        VolumeName name = new VolumeName(step.volume());
        try {
            if (method.equals("Mount")) {
                volumes.mount(name, step.user());
            } else {
                volumes.remove(name);
            }
        } catch (Killed | ErrnoException e) {
            // It did not come to its end; or not even to its session.
        }
    }

    private static Map<String, Set<String>> recorded(Map<VolumeName, Volume> volumes) {
        return volumes.values().stream()
                .collect(Collectors.toMap(volume -> volume.name().text(), Volume::users));
    }

    private static void delete(Path directory) throws Exception {
        try (Stream<Path> files = Files.list(directory)) {
            for (Path file : files.toList()) {
                Files.delete(file);
            }
        }
        Files.delete(directory);
    }
}
