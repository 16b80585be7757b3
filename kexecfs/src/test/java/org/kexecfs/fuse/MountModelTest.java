package org.kexecfs.fuse;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.fail;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.FileStatus;
import org.kexecfs.session.State;

/**
 * Any sequence of system calls, on a real mount and on a model of one: what each returns, what it leaves behind, and the
 * state are the same, in every state and through any number of updates.
 *
 * <p>A build always tries the same sequences, so that it fails for what was changed. {@code -Dkexecfs.model.seed=random}
 * tries new ones; the seed is printed, {@code -Dkexecfs.model.seed=N} repeats a run, and {@code
 * -Dkexecfs.model.operations=N} makes it longer. What fails is made shorter before it is reported.
 */
class MountModelTest {
    /** Once found that libfuse 2 does not know a removed directory. */
    private static final long BUILD_SEED = 8913137411559876973L;

    private static final int OPERATIONS = Integer.getInteger("kexecfs.model.operations", 12_000);

    /** Chance may need more, to have tried every operation in every state. */
    private static final int LONGEST = 3 * OPERATIONS;

    private static final int EPISODE = 1_000;

    /** How many steps are between two looks at everything. */
    private static final int FULL_LOOK = 10;

    private static final Duration PATIENCE_WITH_SHRINKING = Duration.ofSeconds(20);
    private static final String OPTIONS = "size=64m,nr_inodes=1000";
    /** Some more often than others, so that something is there. */
    private static final List<String> PATHS = List.of(
            "a",
            "a",
            "a",
            "b",
            "b",
            "d",
            "d",
            "d",
            "d/a",
            "d/a",
            "d/b",
            "c",
            "e",
            "d/e",
            "e/a",
            "e/b",
            "d/e/a",
            "kexecfs.mine",
            "d/kexecfs.no");

    /**
     * One step.
     *
     * @param name which operation
     * @param told with its arguments
     * @param paths what it is about: looked at after it
     */
    private record Step(
            String name,
            String told,
            List<String> paths,
            Function<World, String> real,
            Function<MountModel, String> model) {
        @Override
        public String toString() {
            return told;
        }
    }

    /** The real thing: a mount, files that are open in it, and memfds that are linked into it. */
    private static final class World implements AutoCloseable {
        private final String options;
        private final Mounted mounted;
        private final int[] handles = new int[MountModel.HANDLES];
        private final List<Fd> memfds = new ArrayList<>();

        private World(String options) {
            this.options = options;
            mounted = Mounted.with(options);
            Arrays.fill(handles, -1);
            for (int i = 0; i < MountModel.MEMFDS; i++) {
                memfds.add(mounted.memfd(""));
            }
        }

        private boolean passthrough() {
            return mounted.read("kexecfs.info").contains("passthrough yes");
        }

        private String path(String path) {
            return mounted.directory() + "/" + path;
        }

        private String open(int handle, String path, int flags) {
            close(handle);
            handles[handle] = Calls.C.open(path(path), flags | Fd.O_CLOEXEC, 0640);
            return handles[handle] < 0 ? Calls.errno() : "0";
        }

        private String close(int handle) {
            String closed = Calls.said(Calls.C.close(handles[handle]));
            handles[handle] = -1;
            return closed;
        }

        private String read(int handle) {
            byte[] bytes = new byte[4096];
            long size = Calls.C.pread(handles[handle], bytes, bytes.length, 0);
            return size < 0 ? Calls.errno() : MountModel.show(Arrays.copyOf(bytes, (int) size));
        }

        private static String write(int fd, long offset, String text) {
            byte[] bytes = Fd.utf8(text);
            return Calls.said(Calls.C.pwrite(fd, bytes, bytes.length, offset));
        }

        private String fstat(int handle) {
            return answer(() -> {
                FileStatus status = FileStatus.of("/proc/self/fd/" + handles[handle]);
                return status.isDirectory()
                        ? "directory"
                        : status.links() + " " + status.size() + " of " + Integer.toOctalString(status.mode() & 07777);
            });
        }

        private String command(String file, String word) {
            int fd = Calls.C.open(path(file), Fd.O_WRONLY | Fd.O_TRUNC | Fd.O_CLOEXEC, 0);
            if (fd < 0) {
                return Calls.errno();
            }
            String said = write(fd, 0, word);
            Calls.C.close(fd);
            return said.equals(Integer.toString(word.length())) ? "0" : said;
        }

        private static String answer(java.util.function.Supplier<String> call) {
            try {
                return call.get();
            } catch (ErrnoException e) {
                return e.errno().name();
            }
        }

        private String remount() {
            for (int i = 0; i < handles.length; i++) {
                close(i);
            }
            mounted.remount(options);
            return "0";
        }

        private String kexec(MountModel.Loss loss, String path) {
            String token = loss == MountModel.Loss.MANIFEST ? "0" : Calls.xattr(path(path), "user.kexecfs.token");
            return answer(() -> {
                mounted.luo().kexec();
                lose(loss, token);
                return remount();
            });
        }

        private void lose(MountModel.Loss loss, String token) {
            String part = loss == MountModel.Loss.BYTES ? "contents" : "files";
            if (loss != MountModel.Loss.NOTHING && token.matches("[0-9]+")) {
                // In whichever session it is; tokens are the same in all.
                for (Path session : sessions()) {
                    try {
                        Files.deleteIfExists(session.resolve(part).resolve(token));
                    } catch (IOException e) {
                        throw new UncheckedIOException(e);
                    }
                }
            }
        }

        private List<Path> sessions() {
            try (Stream<Path> incoming = Files.list(mounted.emulation().resolve("current/incoming"))) {
                return incoming.toList();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        /** Every path of an entry. */
        private Set<String> paths() {
            Set<String> all = new TreeSet<>();
            list("", all);
            return all;
        }

        private void list(String directory, Set<String> into) {
            try (Stream<Path> names = Files.list(Path.of(path(directory)))) {
                for (Path name : names.toList()) {
                    String path = directory + name.getFileName();
                    if (path.startsWith("kexecfs.")) {
                        continue;
                    }
                    assertEquals(true, into.add(path), path + " is listed once");
                    if (FileStatus.of(name.toString()).isDirectory()) {
                        list(path + "/", into);
                    }
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        /** What a path leads to, as {@link MountModel#show} tells it. */
        private String show(String path, MountModel model) {
            return answer(() -> {
                FileStatus status = FileStatus.of(path(path));
                Map<String, String> xattrs = new TreeMap<>(Calls.xattrs(path(path)));
                xattrs.remove("user.kexecfs.token");
                return MountModel.line(
                        status.isDirectory(),
                        status.mode() & 07777,
                        status.uid() + ":" + status.gid(),
                        status.links(),
                        status.size(),
                        model.isTimed(path) ? status.modified().seconds() : -1,
                        xattrs,
                        model.isReadable(path) ? content(path) : "");
            });
        }

        private String content(String path) {
            byte[] bytes = new byte[4096];
            try (Fd file = Fd.open(path(path), Fd.O_RDONLY, 0)) {
                return MountModel.show(Arrays.copyOf(bytes, file.pread(bytes, 0)));
            }
        }

        private Map<String, String> sameFiles(Set<String> paths) {
            Map<Long, String> first = new LinkedHashMap<>();
            Map<String, String> same = new TreeMap<>();
            for (String path : paths) {
                long inode = FileStatus.of(path(path)).id().inode();
                same.put(path, first.computeIfAbsent(inode, i -> path));
            }
            return same;
        }

        @Override
        public void close() {
            for (int handle : handles) {
                Calls.C.close(handle);
            }
            mounted.close();
        }
    }

    // ---- which steps there are

    private static Step on(String name, String path, Function<World, String> real, Function<MountModel, String> model) {
        return new Step(name, name + " " + path, List.of(path), real, model);
    }

    private static Step onBoth(
            String name, String from, String to, Function<World, String> real, Function<MountModel, String> model) {
        return new Step(name, name + " " + from + " " + to, List.of(from, to), real, model);
    }

    private static Step just(
            String name, String arguments, Function<World, String> real, Function<MountModel, String> model) {
        return new Step(name, name + " " + arguments, List.of(), real, model);
    }

    private static Step command(String name, String file, String word, Function<MountModel, String> model) {
        return just(name, "", w -> w.command(file, word), model);
    }

    private static Step rename(String name, String from, String to, int flags) {
        return onBoth(
                name, from, to, w -> Calls.rename(w.path(from), w.path(to), flags), m -> m.rename(from, to, flags));
    }

    private static Step open(String name, int handle, String path, int flags) {
        return new Step(
                name,
                name + " " + handle + " " + path + " 0x" + Integer.toHexString(flags),
                List.of(path),
                w -> w.open(handle, path, flags),
                m -> m.open(handle, path, flags));
    }

    private static Step fallocate(String name, int mode, int handle, long offset, long length) {
        return just(
                name,
                handle + " " + offset + " " + length,
                w -> Calls.said(Calls.C.fallocate(w.handles[handle], mode, offset, length)),
                m -> m.fallocate(handle, mode, offset, length));
    }

    private static Step kexec(String name, MountModel.Loss loss, String path) {
        return on(name, path, w -> w.kexec(loss, path), m -> m.kexec(loss, path));
    }

    private static <T> T any(Random random, List<T> of) {
        return of.get(random.nextInt(of.size()));
    }

    /** Makes a step out of chance. */
    private interface Draw {
        Step draw(Random random);
    }

    /** Operations, each as often as its weight. */
    private static final Map<Draw, Integer> DRAWS = new LinkedHashMap<>();

    private static void weigh(int weight, Draw draw) {
        DRAWS.put(draw, weight);
    }

    private static String path(Random random) {
        return any(random, PATHS);
    }

    private static int handle(Random random) {
        return random.nextInt(MountModel.HANDLES);
    }

    static {
        weigh(9, r -> open("open O_CREAT|O_EXCL", handle(r), path(r), Fd.O_RDWR | Fd.O_CREAT | Fd.O_EXCL));
        weigh(6, r -> open("open O_CREAT", handle(r), path(r), Fd.O_RDWR | Fd.O_CREAT));
        weigh(3, r -> open("open O_CREAT|O_TRUNC", handle(r), path(r), Fd.O_WRONLY | Fd.O_CREAT | Fd.O_TRUNC));
        weigh(4, r -> open("open O_APPEND", handle(r), path(r), Fd.O_RDWR | Fd.O_APPEND));
        weigh(3, r -> open("open O_RDONLY", handle(r), path(r), Fd.O_RDONLY));
        weigh(2, r -> open("open O_TRUNC", handle(r), path(r), Fd.O_RDWR | Fd.O_TRUNC));
        weigh(2, r -> {
            int handle = handle(r);
            return just("close", "" + handle, w -> w.close(handle), m -> m.close(handle));
        });
        weigh(10, r -> {
            int handle = handle(r);
            int offset = r.nextInt(30);
            String text = "text".repeat(1 + r.nextInt(3));
            return just(
                    "write",
                    handle + " " + offset + " " + text,
                    w -> World.write(w.handles[handle], offset, text),
                    m -> m.write(handle, offset, text));
        });
        weigh(3, r -> {
            int memfd = r.nextInt(MountModel.MEMFDS);
            int offset = r.nextInt(20);
            return just(
                    "write past the mount",
                    memfd + " " + offset,
                    w -> World.write(w.memfds.get(memfd).number(), offset, "memfd"),
                    m -> m.writeMemfd(memfd, offset, "memfd"));
        });
        weigh(5, r -> {
            int handle = handle(r);
            return just("read", "" + handle, w -> w.read(handle), m -> m.read(handle));
        });
        weigh(4, r -> {
            int handle = handle(r);
            return just("fstat", "" + handle, w -> w.fstat(handle), m -> m.fstat(handle));
        });
        weigh(3, r -> {
            int handle = handle(r);
            int size = r.nextInt(30);
            return just(
                    "ftruncate",
                    handle + " " + size,
                    w -> Calls.said(Calls.C.ftruncate(w.handles[handle], size)),
                    m -> m.ftruncate(handle, size));
        });
        weigh(3, r -> {
            String path = path(r);
            int size = r.nextInt(30);
            return new Step(
                    "truncate",
                    "truncate " + path + " " + size,
                    List.of(path),
                    w -> Calls.said(Calls.C.truncate(w.path(path), size)),
                    m -> m.truncate(path, size));
        });
        weigh(2, r -> fallocate("fallocate", 0, handle(r), r.nextInt(20), 1 + r.nextInt(20)));
        weigh(1, r -> fallocate("fallocate KEEP_SIZE", 1, handle(r), r.nextInt(20), 1 + r.nextInt(20)));
        weigh(2, r -> fallocate("fallocate PUNCH_HOLE", 3, handle(r), r.nextInt(20), 1 + r.nextInt(20)));
        weigh(1, r -> fallocate("fallocate ZERO_RANGE", 0x10, handle(r), r.nextInt(20), 1 + r.nextInt(20)));
        weigh(7, r -> {
            String path = path(r);
            int mode = any(r, List.of(0700, 0755, 01755));
            return on("mkdir", path, w -> Calls.said(Calls.C.mkdir(w.path(path), mode)), m -> m.mkdir(path, mode));
        });
        weigh(2, r -> {
            String path = path(r);
            return on("rmdir", path, w -> Calls.said(Calls.C.rmdir(w.path(path))), m -> m.rmdir(path));
        });
        weigh(3, r -> {
            String path = path(r);
            return on("unlink", path, w -> Calls.said(Calls.C.unlink(w.path(path))), m -> m.unlink(path));
        });
        weigh(1, r -> {
            String path = path(r);
            return on("symlink", path, w -> Calls.said(Calls.C.symlink("a", w.path(path))), m -> m.symlink(path));
        });
        weigh(1, r -> {
            String path = path(r);
            return on("mkfifo", path, w -> Calls.said(Calls.C.mknod(w.path(path), 010600, 0)), m -> m.mkfifo(path));
        });
        weigh(5, r -> {
            String from = path(r);
            String to = path(r);
            return onBoth(
                    "link", from, to, w -> Calls.said(Calls.C.link(w.path(from), w.path(to))), m -> m.link(from, to));
        });
        weigh(4, r -> {
            int memfd = r.nextInt(MountModel.MEMFDS);
            String path = path(r);
            return on(
                    "link of a memfd",
                    path,
                    w -> Calls.said(
                            Calls.C.link(w.mounted.source(w.memfds.get(memfd)).toString(), w.path(path))),
                    m -> m.adopt(memfd, path));
        });
        weigh(5, r -> rename("rename", path(r), path(r), 0));
        weigh(3, r -> rename("rename NOREPLACE", path(r), path(r), Calls.RENAME_NOREPLACE));
        weigh(4, r -> rename("rename EXCHANGE", path(r), path(r), Calls.RENAME_EXCHANGE));
        weigh(3, r -> {
            String path = path(r);
            int mode = any(r, List.of(0600, 0644, 0755, 02755, 04755, 02644));
            return on("chmod", path, w -> Calls.said(Calls.C.chmod(w.path(path), mode)), m -> m.chmod(path, mode));
        });
        weigh(3, r -> {
            String path = path(r);
            int uid = r.nextInt(3);
            int gid = r.nextInt(3);
            return on(
                    "chown",
                    path,
                    w -> Calls.said(Calls.C.chown(w.path(path), uid, gid)),
                    m -> m.chown(path, uid, gid));
        });
        weigh(4, r -> {
            String path = path(r);
            int time = r.nextInt(1000);
            return on("utimensat", path, w -> Calls.modified(w.path(path), time, 5), m -> m.utimens(path, time));
        });
        weigh(4, r -> {
            String path = path(r);
            String attribute = any(r, List.of("user.a", "user.b", "user.a", "trusted.a", "user.kexecfs.token"));
            String value = any(r, List.of("", "1", "value"));
            int flags = any(r, List.of(0, Calls.XATTR_CREATE, Calls.XATTR_REPLACE));
            return new Step(
                    "setxattr",
                    "setxattr " + path + " " + attribute + "=" + value + " " + flags,
                    List.of(path),
                    w -> Calls.setXattr(w.path(path), attribute, value, flags),
                    m -> m.setXattr(path, attribute, value, flags));
        });
        weigh(1, r -> {
            String path = path(r);
            String value = any(r, List.of("a", "b", "d/a", "a d/b", ""));
            return on(
                    "require",
                    path,
                    w -> Calls.setXattr(w.path(path), "user.kexecfs.requires", value, 0),
                    m -> m.setXattr(path, "user.kexecfs.requires", value, 0));
        });
        weigh(3, r -> {
            String path = path(r);
            String attribute = any(r, List.of("user.a", "user.b", "user.kexecfs.requires", "user.kexecfs.status"));
            return on(
                    "removexattr",
                    path + " " + attribute,
                    w -> Calls.said(Calls.C.removexattr(w.path(path), attribute)),
                    m -> m.removeXattr(path, attribute));
        });
    }

    private static final Draw PREPARE = r -> command("prepare", "kexecfs.prepare", "1", MountModel::prepare);
    private static final Draw CANCEL = r -> command("cancel", "kexecfs.cancel", "1", MountModel::cancel);
    private static final Draw FINISH = r -> command("finish", "kexecfs.finish", "1", m -> m.finish("1"));
    private static final Draw STRICT =
            r -> command("finish strict", "kexecfs.finish", "strict", m -> m.finish("strict"));
    private static final Draw RELEASE =
            r -> command("finish release", "kexecfs.finish", "release", m -> m.finish("release"));
    private static final Draw KEXEC = r -> kexec("kexec", MountModel.Loss.NOTHING, path(r));
    private static final Draw KEXEC_WITH_LOSS =
            r -> kexec("kexec with a loss", any(r, List.of(MountModel.Loss.RECORD, MountModel.Loss.BYTES)), path(r));
    private static final Draw KEXEC_WITHOUT_MANIFEST =
            r -> kexec("kexec without manifest", MountModel.Loss.MANIFEST, "a");
    private static final Draw REMOUNT = r -> just("remount", "", World::remount, MountModel::remount);

    /** How many in a thousand steps are transitions: enough to come through all states, and to stay in each for a while. */
    private static Map<Draw, Integer> transitions(State state) {
        Map<Draw, Integer> weights = new LinkedHashMap<>();
        for (Draw draw : List.of(
                PREPARE, CANCEL, FINISH, STRICT, RELEASE, KEXEC, KEXEC_WITH_LOSS, KEXEC_WITHOUT_MANIFEST, REMOUNT)) {
            weights.put(draw, 3);
        }
        switch (state) {
            case NORMAL -> weights.put(PREPARE, 40);
            case PREPARED -> {
                weights.put(CANCEL, 8);
                weights.put(KEXEC, 15);
                weights.put(KEXEC_WITH_LOSS, 60);
                weights.put(KEXEC_WITHOUT_MANIFEST, 8);
            }
            case UPDATED -> {
                weights.put(FINISH, 8);
                weights.put(STRICT, 6);
                weights.put(RELEASE, 6);
            }
            case FAILED -> {}
        }
        return weights;
    }

    private static final int DRAWN =
            DRAWS.values().stream().mapToInt(Integer::intValue).sum();

    private static Step next(Random random, State state) {
        int at = random.nextInt(1000);
        for (Map.Entry<Draw, Integer> transition : transitions(state).entrySet()) {
            at -= transition.getValue();
            if (at < 0) {
                return transition.getKey().draw(random);
            }
        }
        at = random.nextInt(DRAWN);
        for (Map.Entry<Draw, Integer> draw : DRAWS.entrySet()) {
            at -= draw.getValue();
            if (at < 0) {
                return draw.getKey().draw(random);
            }
        }
        throw new AssertionError();
    }

    /** The names of all operations. */
    private static Set<String> operations() {
        Set<String> names = new LinkedHashSet<>();
        Random random = new Random(0);
        DRAWS.keySet().forEach(draw -> names.add(draw.draw(random).name()));
        transitions(State.NORMAL)
                .keySet()
                .forEach(draw -> names.add(draw.draw(random).name()));
        return names;
    }

    // ---- the comparison

    /** What was tried: per state and operation, how often, and with which answers. */
    private static final class Coverage {
        private final Map<State, Map<String, Map<String, Integer>>> tried = new EnumMap<>(State.class);
        private int steps;

        private void count(State state, Step step, String answer) {
            steps++;
            String kind = answer.matches("E[A-Z0-9]+") ? answer : "done";
            tried.computeIfAbsent(state, s -> new TreeMap<>())
                    .computeIfAbsent(step.name(), n -> new TreeMap<>())
                    .merge(kind, 1, Integer::sum);
        }

        private void report() {
            System.out.println("MountModelTest: " + steps + " operations of "
                    + operations().size() + " kinds");
            tried.forEach((state, operations) -> {
                int all = operations.values().stream()
                        .flatMap(answers -> answers.values().stream())
                        .mapToInt(Integer::intValue)
                        .sum();
                System.out.println("  " + state + ": " + all);
                operations.forEach((name, answers) -> System.out.println("    " + name + " " + answers));
            });
        }

        /** Operations that were never tried in some state. */
        private List<String> never() {
            List<String> never = new ArrayList<>();
            for (State state : State.values()) {
                Map<String, Map<String, Integer>> operations = tried.getOrDefault(state, Map.of());
                operations().stream()
                        .filter(name -> !operations.containsKey(name))
                        .forEach(name -> never.add(name + " in " + state));
            }
            return never;
        }
    }

    /** A mount and its model, side by side. */
    private static final class Pair implements AutoCloseable {
        private final World world;
        private final MountModel model;
        private int steps;

        private Pair(String options) {
            world = new World(options);
            model = new MountModel(world.passthrough(), options.contains("preserve=link"));
        }

        /** Takes a step; returns what is different after it. */
        private Optional<String> take(Step step, Coverage coverage) {
            State before = model.state();
            String expected = step.model().apply(model);
            coverage.count(before, step, expected);
            String answer = step.real().apply(world);
            if (!expected.equals(answer)) {
                return different(before, step, "answers", expected, answer);
            }
            String state = world.mounted.state();
            if (!state.equals(model.state().toString())) {
                return different(before, step, "leads to", model.state().toString(), state);
            }
            Set<String> looked = new LinkedHashSet<>(step.paths());
            if (++steps % FULL_LOOK == 0 || before != model.state()) {
                Set<String> paths = world.paths();
                if (!paths.equals(model.paths())) {
                    return different(before, step, "leaves", model.paths().toString(), paths.toString());
                }
                Map<String, String> same = world.sameFiles(paths);
                if (!same.equals(model.sameFiles())) {
                    return different(
                            before, step, "leaves files", model.sameFiles().toString(), same.toString());
                }
                looked.addAll(paths);
            }
            for (String path : looked) {
                String shown = world.show(path, model);
                if (!shown.equals(model.show(path))) {
                    return different(before, step, "leaves at " + path, model.show(path), shown);
                }
            }
            return Optional.empty();
        }

        private Optional<String> different(State before, Step step, String what, String expected, String answer) {
            return Optional.of("in " + before + ", " + step + " " + what + "\n    " + answer + "\n  and should\n    "
                    + expected + "\n  kexecfs.error: " + world.mounted.read("kexecfs.error"));
        }

        @Override
        public void close() {
            world.close();
        }
    }

    @Test
    void aMountIsItsModel() {
        compare(OPTIONS, OPERATIONS, LONGEST);
    }

    @Test
    void aMountThatPreservesAtLinkIsItsModel() {
        compare(OPTIONS + ",preserve=link", OPERATIONS / 3, LONGEST);
    }

    private static void compare(String options, int operations, int longest) {
        String given = System.getProperty("kexecfs.model.seed", Long.toString(BUILD_SEED));
        long seed = given.equals("random") ? new Random().nextLong() : Long.parseLong(given);
        System.out.println("MountModelTest: -Dkexecfs.model.seed=" + seed);
        Random random = new Random(seed);
        Coverage coverage = new Coverage();
        Instant start = Instant.now();
        while (coverage.steps < operations || !coverage.never().isEmpty() && coverage.steps < longest) {
            episode(options, random, coverage, seed);
        }
        coverage.report();
        System.out.println("  in " + Duration.between(start, Instant.now()).toSeconds() + " s");
        assertEquals(List.of(), coverage.never(), "what was never tried");
    }

    private static void episode(String options, Random random, Coverage coverage, long seed) {
        List<Step> taken = new ArrayList<>();
        Optional<String> different = Optional.empty();
        try (Pair pair = new Pair(options)) {
            while (taken.size() < EPISODE && different.isEmpty()) {
                Step step = next(random, pair.model.state());
                taken.add(step);
                different = pair.take(step, coverage);
            }
        }
        if (different.isPresent()) {
            System.out.println("MountModelTest: " + different.get());
            List<Step> fewer = shrink(options, taken);
            fail("seed " + seed + ", after " + taken.size() + " steps: " + different.get() + "\nshortened:\n  "
                    + String.join("\n  ", fewer.stream().map(Step::toString).toList()) + "\n"
                    + run(options, fewer).orElse("which does not fail every time"));
        }
    }

    /** Takes steps away for as long as what is left still fails. */
    private static List<Step> shrink(String options, List<Step> failing) {
        Instant end = Instant.now().plus(PATIENCE_WITH_SHRINKING);
        List<Step> steps = failing;
        for (int chunk = steps.size() / 2; chunk > 0; chunk /= 2) {
            for (int at = Math.max(0, steps.size() - chunk);
                    at >= 0 && Instant.now().isBefore(end);
                    at -= chunk) {
                List<Step> fewer = new ArrayList<>(steps);
                fewer.subList(at, Math.min(at + chunk, fewer.size())).clear();
                if (run(options, fewer).isPresent()) {
                    steps = fewer;
                }
            }
        }
        return steps;
    }

    private static Optional<String> run(String options, List<Step> steps) {
        Coverage uncounted = new Coverage();
        try (Pair pair = new Pair(options)) {
            for (Step step : steps) {
                Optional<String> different = pair.take(step, uncounted);
                if (different.isPresent()) {
                    return different;
                }
            }
            return Optional.empty();
        }
    }
}
