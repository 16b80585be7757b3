package org.kexecfs.fuse;

import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.function.Function;
import org.kexecfs.posix.Fd;
import org.kexecfs.session.State;

/** Which system calls are tried on a mount and its model, with which arguments, and how often in which state. */
final class MountSteps {
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

    private MountSteps() {}

    private static MountStep on(
            String name, String path, Function<MountWorld, String> real, Function<MountModel, String> model) {
        return new MountStep(name, name + " " + path, List.of(path), real, model);
    }

    private static MountStep onBoth(
            String name,
            String from,
            String to,
            Function<MountWorld, String> real,
            Function<MountModel, String> model) {
        return new MountStep(name, name + " " + from + " " + to, List.of(from, to), real, model);
    }

    private static MountStep just(
            String name, String arguments, Function<MountWorld, String> real, Function<MountModel, String> model) {
        return new MountStep(name, name + " " + arguments, List.of(), real, model);
    }

    private static MountStep command(String name, String file, String word, Function<MountModel, String> model) {
        return just(name, "", w -> w.command(file, word), model);
    }

    private static MountStep rename(String name, String from, String to, int flags) {
        return onBoth(
                name, from, to, w -> Calls.rename(w.path(from), w.path(to), flags), m -> m.rename(from, to, flags));
    }

    private static MountStep open(String name, int handle, String path, int flags) {
        return new MountStep(
                name,
                name + " " + handle + " " + path + " 0x" + Integer.toHexString(flags),
                List.of(path),
                w -> w.open(handle, path, flags),
                m -> m.open(handle, path, flags));
    }

    private static MountStep fallocate(String name, int mode, int handle, long offset, long length) {
        return just(
                name,
                handle + " " + offset + " " + length,
                w -> Calls.said(Calls.C.fallocate(w.descriptor(handle), mode, offset, length)),
                m -> m.fallocate(handle, mode, offset, length));
    }

    private static MountStep kexec(String name, MountModel.Loss loss, String path) {
        return on(name, path, w -> w.kexec(loss, path), m -> m.kexec(loss, path));
    }

    private static <T> T any(Random random, List<T> of) {
        return of.get(random.nextInt(of.size()));
    }

    /** Makes a step out of chance. */
    private interface Draw {
        MountStep draw(Random random);
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
                    w -> MountWorld.write(w.descriptor(handle), offset, text),
                    m -> m.write(handle, offset, text));
        });
        weigh(3, r -> {
            int memfd = r.nextInt(MountModel.MEMFDS);
            int offset = r.nextInt(20);
            return just(
                    "write past the mount",
                    memfd + " " + offset,
                    w -> MountWorld.write(w.memfd(memfd).number(), offset, "memfd"),
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
                    w -> Calls.said(Calls.C.ftruncate(w.descriptor(handle), size)),
                    m -> m.ftruncate(handle, size));
        });
        weigh(3, r -> {
            String path = path(r);
            int size = r.nextInt(30);
            return new MountStep(
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
                    w -> Calls.said(Calls.C.link(w.source(memfd), w.path(path))),
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
            return new MountStep(
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
    private static final Draw REMOUNT = r -> just("remount", "", MountWorld::remount, MountModel::remount);

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

    static MountStep next(Random random, State state) {
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
    static Set<String> operations() {
        Set<String> names = new LinkedHashSet<>();
        Random random = new Random(0);
        DRAWS.keySet().forEach(draw -> names.add(draw.draw(random).name()));
        transitions(State.NORMAL)
                .keySet()
                .forEach(draw -> names.add(draw.draw(random).name()));
        return names;
    }
}
