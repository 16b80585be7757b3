package org.kexecfs.session;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.stream.Stream;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.Tuple;
import org.kexecfs.manifest.Kind;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Time;

/**
 * Any sequence of operations, on a session and on a model of one that is a map in memory: what the one shows after each is
 * what the other shows, and so through any number of updates.
 */
class SessionModelTest {
    private static final List<String> PATHS = List.of("a", "b", "d", "e", "d/a", "d/b", "d/e", "d/e/a");

    /** An entry of the model; a name is a path that leads to it. */
    private static final class Thing {
        private final boolean directory;
        private String content = "";
        private int mode;
        private int uid = Machine.UID;
        private long modified = -1;

        private Thing(boolean directory, int mode) {
            this.directory = directory;
            this.mode = mode;
        }
    }

    /** What a session is, in the simplest words: each operation says whether it can be done. */
    private static final class Model {
        private final Map<String, Thing> names = new TreeMap<>();
        private State state = State.NORMAL;

        private static String parent(String path) {
            int slash = path.lastIndexOf('/');
            return slash < 0 ? "" : path.substring(0, slash);
        }

        private boolean changes() {
            return state != State.PREPARED;
        }

        private boolean isDirectory(String path) {
            return path.isEmpty() || names.containsKey(path) && names.get(path).directory;
        }

        private boolean isFile(String path) {
            return names.containsKey(path) && !names.get(path).directory;
        }

        private boolean isFree(String path) {
            return isDirectory(parent(path)) && !names.containsKey(path);
        }

        private boolean isEmpty(String directory) {
            return names.keySet().stream().noneMatch(name -> name.startsWith(directory + "/"));
        }

        private boolean add(String path, Thing thing) {
            if (!changes() || thing == null || !isFree(path)) {
                return false;
            }
            names.put(path, thing);
            return true;
        }

        private boolean rename(String from, String to) {
            if (!changes() || !names.containsKey(from) || !isDirectory(parent(to)) || to.startsWith(from + "/")) {
                return false;
            }
            Thing moved = names.get(from);
            Thing replaced = names.get(to);
            if (moved == replaced) {
                return true;
            }
            if (replaced != null && (replaced.directory != moved.directory || !isEmpty(to) && replaced.directory)) {
                return false;
            }
            Map<String, Thing> renamed = new TreeMap<>();
            names.forEach((name, thing) -> {
                if (name.equals(from) || name.startsWith(from + "/")) {
                    renamed.put(to + name.substring(from.length()), thing);
                }
            });
            names.keySet().removeIf(name -> name.equals(from) || name.startsWith(from + "/"));
            names.putAll(renamed);
            return true;
        }

        private boolean resize(String path, int size) {
            if (!isFile(path)) {
                return false;
            }
            Thing thing = names.get(path);
            if (!changes() && size != thing.content.length()) {
                return false;
            }
            thing.content = (thing.content + "\0".repeat(size)).substring(0, size);
            thing.modified = -1;
            return true;
        }

        private boolean write(String path, int offset, String text) {
            if (!isFile(path)) {
                return false;
            }
            Thing thing = names.get(path);
            int end = offset + text.length();
            if (!changes() && end > thing.content.length()) {
                return false;
            }
            String padded = thing.content + "\0".repeat(Math.max(0, end - thing.content.length()));
            thing.content = padded.substring(0, offset) + text + padded.substring(end);
            thing.modified = -1;
            return true;
        }

        private boolean with(String path, Consumer<Thing> change) {
            if (!changes() || !names.containsKey(path)) {
                return false;
            }
            change.accept(names.get(path));
            return true;
        }

        private boolean go(State from, State to) {
            if (state != from && !(state == to && to == State.PREPARED)) {
                return false;
            }
            if (state == State.PREPARED && to == State.NORMAL) {
                // The emulation fills holes as LUO does, but moves the time by it; so the time is not known any more.
                names.values().forEach(thing -> thing.modified = -1);
            }
            state = to;
            return true;
        }

        private void kexec() {
            if (state != State.PREPARED) {
                names.clear();
                state = State.NORMAL;
            } else {
                state = State.UPDATED;
            }
        }

        private String show() {
            StringBuilder shown = new StringBuilder(state + "\n");
            names.forEach((path, t) -> shown.append(line(
                    path,
                    t.directory,
                    t.mode,
                    t.uid,
                    t.directory
                            ? 0
                            : names.values().stream()
                                    .filter(other -> other == t)
                                    .count(),
                    t.content,
                    t.directory || state == State.PREPARED ? -1 : t.modified)));
            return shown.toString();
        }
    }

    private static String line(
            String path, boolean directory, int mode, int uid, long links, String content, long modified) {
        return String.join(
                        " ",
                        path,
                        directory ? "dir" : "file",
                        Integer.toOctalString(mode),
                        Integer.toString(uid),
                        Long.toString(links),
                        content.replace('\0', '0'),
                        modified < 0 ? "" : "modified " + modified)
                + "\n";
    }

    /** What the session shows; a file's time where the model knows it, which it does not of the clock's. */
    private static String show(Session session, Model model) {
        StringBuilder shown = new StringBuilder(session.state() + "\n");
        session.files().stream()
                .sorted(Comparator.comparing(listed -> listed.path().toString()))
                .forEach(listed -> {
                    String path = listed.path().toString();
                    Stat stat = session.stat(listed.path());
                    boolean directory = listed.kind() == Kind.DIRECTORY;
                    Thing thing = model.names.get(path);
                    boolean timed = !directory && thing != null && thing.modified >= 0 && model.state != State.PREPARED;
                    shown.append(line(
                            path,
                            directory,
                            stat.mode(),
                            stat.uid(),
                            directory ? 0 : stat.links(),
                            directory ? "" : Machine.read(session, path),
                            timed ? stat.modified().seconds() : -1));
                });
        return shown.toString();
    }

    /** One step: on the session, and on the model, which says whether it can be done. */
    private record Step(String told, Consumer<Machine> real, Predicate<Model> modelled) {
        @Override
        public String toString() {
            return told;
        }
    }

    private static Step step(String told, Consumer<Session> real, Predicate<Model> modelled) {
        return new Step(told, machine -> real.accept(machine.session()), modelled);
    }

    @Provide
    Arbitrary<Step> steps() {
        Arbitrary<String> paths = Arbitraries.of(PATHS);
        Arbitrary<Integer> modes = Arbitraries.of(0600, 0644, 0755, 01777);
        Arbitrary<Integer> numbers = Arbitraries.integers().between(0, 20);
        return Arbitraries.frequencyOf(
                Tuple.of(
                        6,
                        Combinators.combine(paths, modes)
                                .as((p, mode) -> step(
                                        "create " + p,
                                        s -> s.create(path(p), mode, Machine.UID, Machine.GID)
                                                .close(),
                                        m -> m.add(p, new Thing(false, mode))))),
                Tuple.of(
                        3,
                        Combinators.combine(paths, modes)
                                .as((p, mode) -> step(
                                        "mkdir " + p,
                                        s -> s.mkdir(path(p), mode, Machine.UID, Machine.GID),
                                        m -> m.add(p, new Thing(true, mode))))),
                Tuple.of(
                        3,
                        Combinators.combine(paths, paths)
                                .as((from, to) -> step(
                                        "link " + from + " " + to,
                                        s -> s.link(path(from), path(to)),
                                        m -> m.isFile(from) && m.add(to, m.names.get(from))))),
                Tuple.of(
                        4,
                        Combinators.combine(paths, paths)
                                .as((from, to) -> step(
                                        "rename " + from + " " + to,
                                        s -> s.rename(path(from), path(to)),
                                        m -> m.rename(from, to)))),
                Tuple.of(
                        3,
                        paths.map(p -> step(
                                "unlink " + p,
                                s -> s.unlink(path(p)),
                                m -> m.changes() && m.isFile(p) && m.names.remove(p) != null))),
                Tuple.of(
                        2,
                        paths.map(p -> step(
                                "rmdir " + p,
                                s -> s.rmdir(path(p)),
                                m -> m.changes() && m.isDirectory(p) && m.isEmpty(p) && m.names.remove(p) != null))),
                Tuple.of(
                        2,
                        Combinators.combine(paths, modes)
                                .as((p, mode) -> step(
                                        "chmod " + p,
                                        s -> s.chmod(path(p), mode),
                                        m -> m.with(p, thing -> thing.mode = mode)))),
                Tuple.of(
                        2,
                        Combinators.combine(paths, numbers)
                                .as((p, uid) -> step(
                                        "chown " + p,
                                        s -> s.chown(path(p), Optional.of(uid), Optional.empty()),
                                        m -> m.with(p, thing -> thing.uid = uid)))),
                Tuple.of(
                        2,
                        Combinators.combine(paths, numbers)
                                .as((p, time) -> step(
                                        "utimens " + p + " " + time,
                                        s -> s.setTimes(path(p), null, new Time(time, 5)),
                                        m -> m.with(p, thing -> thing.modified = time)))),
                Tuple.of(
                        3,
                        Combinators.combine(paths, numbers)
                                .as((p, size) -> step(
                                        "truncate " + p + " " + size,
                                        s -> s.truncate(path(p), size),
                                        m -> m.resize(p, size)))),
                Tuple.of(
                        6,
                        Combinators.combine(paths, numbers)
                                .as((p, offset) -> step(
                                        "write " + p + " " + offset,
                                        s -> Machine.write(s, p, "text", offset),
                                        m -> m.write(p, offset, "text")))),
                Tuple.of(
                        3,
                        Arbitraries.just(step("prepare", Session::prepare, m -> m.go(State.NORMAL, State.PREPARED)))),
                Tuple.of(1, Arbitraries.just(step("cancel", Session::cancel, m -> m.go(State.PREPARED, State.NORMAL)))),
                Tuple.of(
                        2,
                        Arbitraries.just(
                                step("finish", s -> s.finish(Finish.KEEP), m -> m.go(State.UPDATED, State.NORMAL)))),
                Tuple.of(2, Arbitraries.just(new Step("kexec", Machine::kexec, m -> {
                    m.kexec();
                    return true;
                }))));
    }

    private static EntryPath path(String path) {
        return EntryPath.of(path);
    }

    @Property(tries = 200)
    void aSessionIsItsModel(@ForAll("sequences") List<Step> sequence) throws IOException {
        Path directory = Files.createTempDirectory("kexecfs-model");
        try (Machine machine = new Machine(directory)) {
            machine.open();
            Model model = new Model();
            for (Step step : sequence) {
                boolean expected = step.modelled().test(model);
                boolean done = true;
                try {
                    step.real().accept(machine);
                } catch (ErrnoException e) {
                    done = false;
                }
                assertEquals(expected, done, step + " succeeds");
                assertEquals(model.show(), show(machine.session(), model), "after " + step);
            }
        } finally {
            delete(directory);
        }
    }

    @Provide
    Arbitrary<List<Step>> sequences() {
        return steps().list().ofMinSize(20).ofMaxSize(60);
    }

    private static void delete(Path tree) throws IOException {
        try (Stream<Path> all = Files.walk(tree)) {
            for (Path path : all.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(path);
            }
        }
    }
}
