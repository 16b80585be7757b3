package org.kexecfs.session;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import jnr.constants.platform.linux.Errno;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.kexecfs.keep.Shelf;
import org.kexecfs.manifest.Bytes;
import org.kexecfs.manifest.Kind;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.Time;
import org.kexecfs.session.Settings.Preserve;

/**
 * A kill at every step of a session's life, the restore after a kexec included: another process goes on with what the keeper has,
 * and finds the session as it was before the call that was killed, or as it is after it.
 */
class CrashTest {
    private static final String NAME = "vm";

    /** How far it is looked whether the session goes on as if nothing had been. */
    private static final int CALLS_AFTER = 2;

    private static final Time NOON = new Time(1_000_000_000L, 123_456_789);

    @TempDir
    private Path directory;

    private final Kills kills = new Kills();
    private final List<Fd> callers = new ArrayList<>();
    private int machines;
    private TestKeep keep;
    private TestKeep.Client process;
    private StepLuo luo;
    private Preserve preserve;
    private Session session;

    /** One call of the history, told apart by its place in it. */
    private record Call(String told, Runnable run) {}

    @BeforeEach
    void start() {
        keep = new TestKeep(kills);
        kills.atDeath(() -> keep.freeze());
    }

    @AfterEach
    void end() {
        kills.never();
        die();
        keep.close();
        callers.forEach(Fd::close);
    }

    @ParameterizedTest
    @EnumSource
    void aKillAtAnyStepOfALife(Preserve mode) {
        everyKill(mode, this::life);
    }

    @ParameterizedTest
    @EnumSource
    void aKillAtAnyStepOfARestoreThatFails(Preserve mode) {
        everyKill(mode, this::failure);
    }

    @ParameterizedTest
    @EnumSource
    void aKillAndAnotherWhileThatIsMadeGood(Preserve mode) {
        begin(mode, this::life);
        long steps = steps(mode, this::life);
        List<String> seen = seen(mode, this::life);
        long seed = Long.getLong("kexecfs.seed", System.nanoTime());
        Random random = new Random(seed);
        for (int i = 0; i < 30; i++) {
            long first = 1 + random.nextLong(steps);
            long second = 1 + random.nextLong(12);
            killed(mode, this::life, seen, first, second, "seed " + seed + ", kills " + first + ", " + second);
        }
    }

    private List<Call> life() {
        List<Call> calls = new ArrayList<>();
        call(calls, "mkdir", s -> Machine.mkdir(s, "dir"));
        file(calls, "dir/file", "created");
        call(calls, "adopt", s -> Machine.adopt(s, memfd("adopted"), "adopted"));
        call(calls, "link", s -> s.link(path("adopted"), path("second")));
        call(calls, "chmod", s -> s.chmod(path("second"), 0640));
        call(calls, "chown", s -> s.chown(path("second"), Optional.of(7), Optional.of(8)));
        call(calls, "setTimes", s -> s.setTimes(path("second"), NOON, NOON));
        call(calls, "setTimes of a directory", s -> s.setTimes(path("dir"), NOON, NOON));
        call(calls, "setXattr", s -> s.setXattr(path("second"), Bytes.of("user.comment"), Bytes.of("value"), 0));
        file(calls, "victim", "replaced");
        call(calls, "rename over", s -> s.rename(path("dir/file"), path("victim")));
        file(calls, "gone", "unlinked");
        call(calls, "unlink", s -> s.unlink(path("gone")));
        call(calls, "write", s -> Machine.write(s, "victim", "later", 3));
        for (int i = 0; i < 4; i++) {
            String big = ("" + i).repeat(20_000);
            call(calls, "big attribute", s -> s.setXattr(path("victim"), Bytes.of("user.big"), Bytes.of(big), 0));
        }
        call(calls, "prepare", Session::prepare);
        call(calls, "write", s -> Machine.write(s, "victim", "HELD", 0));
        call(calls, "cancel", Session::cancel);
        file(calls, "unclaimed", "dropped by a release");
        call(calls, "prepare", Session::prepare);
        calls.add(new Call("kexec", this::kexec));
        call(calls, "claim", s -> Machine.read(s, "victim"));
        call(calls, "claim", s -> Machine.read(s, "second"));
        file(calls, "new", "made after the update");
        call(calls, "unlink", s -> s.unlink(path("adopted")));
        call(calls, "finish", s -> s.finish(Finish.RELEASE));
        file(calls, "newer", "made after the finish");
        call(calls, "prepare", Session::prepare);
        calls.add(new Call("kexec", this::kexec));
        call(calls, "finish", s -> s.finish(Finish.KEEP));
        return calls;
    }

    private List<Call> failure() {
        List<Call> calls = new ArrayList<>();
        file(calls, "good", "restored");
        file(calls, "bad", "lost");
        file(calls, "worse", "lost");
        call(calls, "prepare", Session::prepare);
        calls.add(new Call("kexec", () -> {
            luo.loses(2, Errno.EIO);
            luo.loses(3, Errno.ENOENT);
            kexec();
        }));
        call(calls, "unlink", s -> s.unlink(path("worse")));
        call(calls, "finish", s -> s.finish(Finish.KEEP));
        file(calls, "new", "made after the finish");
        return calls;
    }

    private void call(List<Call> calls, String told, Consumer<Session> what) {
        calls.add(new Call(told, () -> what.accept(session)));
    }

    private void file(List<Call> calls, String path, String content) {
        call(calls, "create", s -> Machine.touch(s, path));
        call(calls, "write", s -> Machine.write(s, path, content, 0));
    }

    private static EntryPath path(String path) {
        return EntryPath.of(path);
    }

    private Fd memfd(String content) {
        Fd memfd = Fd.memfd("caller");
        memfd.pwrite(Fd.utf8(content), 0);
        callers.add(memfd);
        return memfd;
    }

    /** Nobody lives through a kexec, except what was prepared. */
    private void kexec() {
        if (!kexeced) {
            luo.kexec();
            kexeced = true;
        }
        die();
        keep.forget();
        open();
    }

    /** Whether the kexec of this call has been: a kill after it is one in the next kernel. */
    private boolean kexeced;

    private interface History {
        List<Call> calls();
    }

    private void everyKill(Preserve mode, History history) {
        long steps = steps(mode, history);
        List<String> seen = seen(mode, history);
        assertTrue(steps > 50, "steps: " + steps);
        for (long step = 1; step <= steps; step++) {
            killed(mode, history, seen, step, Long.MAX_VALUE, "killed at step " + step + " of " + steps);
        }
    }

    private long steps(Preserve mode, History history) {
        begin(mode, history);
        kills.never();
        open();
        history.calls().forEach(this::run);
        return kills.steps();
    }

    /** What is seen of the session at its beginning, and after each call, if nobody is killed. */
    private List<String> seen(Preserve mode, History history) {
        begin(mode, history);
        kills.never();
        open();
        List<String> seen = new ArrayList<>(List.of(look()));
        for (Call call : history.calls()) {
            run(call);
            seen.add(look());
        }
        return seen;
    }

    private void run(Call call) {
        kexeced = false;
        call.run().run();
    }

    private void killed(Preserve mode, History history, List<String> seen, long step, long second, String told) {
        begin(mode, history);
        List<Call> calls = history.calls();
        kills.at(step);
        int done = -1;
        try {
            open();
            for (done = 0; done < calls.size(); done++) {
                run(calls.get(done));
            }
        } catch (Kills.Killed e) {
            die();
            kills.at(second);
            try {
                open();
            } catch (Kills.Killed again) {
                die();
                kills.never();
                open();
            }
            kills.never();
            String call = done < 0 ? "open" : calls.get(done).told();
            String before = done < 0 ? seen.getFirst() : seen.get(done);
            String after = seen.get(done + 1);
            String now = look();
            boolean isKexec = call.equals("kexec");
            if (!now.equals(after)) {
                assertEquals(before, now, told + ", in " + call + "; neither as before nor as after:\n" + after + "\n");
                assertTrue(!isKexec || !kexeced, told + ": the kexec was, and nothing is restored");
                if (done >= 0) {
                    run(calls.get(done));
                }
                assertEquals(after, look(), told + ", in " + call + ", which was then called again");
            }
            for (int i = done + 1; i < Math.min(calls.size(), done + 1 + CALLS_AFTER); i++) {
                run(calls.get(i));
                assertEquals(
                        seen.get(i + 1),
                        look(),
                        told + ", in " + call + ", and later " + calls.get(i).told());
            }
        }
    }

    private void begin(Preserve mode, History history) {
        kills.never();
        die();
        keep.forget();
        machines++;
        preserve = mode;
        luo = new StepLuo(directory.resolve("luo" + machines), kills);
    }

    private void open() {
        process = keep.connect();
        Settings settings = Settings.of(Machine.UID, Machine.GID);
        settings = new Settings(
                settings.uid(),
                settings.gid(),
                settings.mode(),
                settings.creatorUid(),
                settings.creatorGid(),
                preserve,
                settings.size(),
                settings.inodes());
        session = Session.open(
                luo, NAME, settings, new Host(() -> Fd.memfd("entry"), Ownership.ALONE, new Shelf(process, NAME)));
    }

    private void die() {
        if (process != null) {
            luo.die();
            process.die();
            process = null;
        }
    }

    /** All that a session shows. Times are those that were set, for the others are another each time. */
    private String look() {
        return session.state() + " cycle " + session.cycle() + " error '" + session.error() + "'\n"
                + session.files().stream().map(this::look).collect(Collectors.joining("\n"));
    }

    private String look(Listed listed) {
        Stat stat = session.stat(listed.path());
        String content = listed.kind() == Kind.FILE ? content(listed) : "";
        String xattrs = session.xattrs(listed.path()).entrySet().stream()
                .map(xattr -> xattr.getKey() + "=" + xattr.getValue().toArray().length + "/"
                        + xattr.getValue().hashCode())
                .collect(Collectors.joining(","));
        return String.join(
                " ",
                listed.path().toString(),
                Long.toString(listed.token()),
                listed.status().toString(),
                Integer.toOctalString(stat.mode()),
                stat.uid() + ":" + stat.gid(),
                "links " + stat.links(),
                "size " + stat.size(),
                stat.modified().equals(NOON) ? "noon" : "",
                content,
                xattrs);
    }

    /** What the keeper has: to open it here would be to claim it. */
    private String content(Listed listed) {
        return keep.file(NAME + "/entry." + listed.token())
                .map(file -> {
                    byte[] bytes = new byte[(int) file.status().size()];
                    file.pread(bytes, 0);
                    return new String(bytes, StandardCharsets.UTF_8);
                })
                .orElse("(lost)");
    }
}
