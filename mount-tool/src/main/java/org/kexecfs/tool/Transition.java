package org.kexecfs.tool;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.daemon.Answer;
import org.kexecfs.daemon.Request;
import org.kexecfs.mount.MountTable;
import org.kexecfs.mount.MountTable.MountedSession;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;

/**
 * A word written to a control file of one session, or of all; each is waited for.
 *
 * @param file the control file
 * @param word what is written to it
 * @param from with all sessions: in which states it is tried
 */
record Transition(String file, String word, Set<String> from) {
    /** Of each session, with {@code --json}. */
    static final String FIELDS = "session, directory, state";

    /** One that takes long must not keep the others. */
    private static final int AT_ONCE = 16;

    /** What came of it: the state it is in, or why it failed. */
    private record Result(MountedSession mount, String said, Optional<Integer> failed) {}

    /**
     * Does it to the session that is meant, and prints its state.
     *
     * @param json as an array of one object
     * @throws ToolException with the errno's exit code, if it fails
     */
    void one(String sessionOrDirectory, PrintWriter out, boolean json) {
        Result result = run(Mounted.one(sessionOrDirectory));
        result.failed().ifPresent(exit -> {
            throw new ToolException(exit, result.said());
        });
        tell(List.of(result), out, json);
    }

    /**
     * Does it to every session that is mounted here and in a state for it, and prints each one's state.
     *
     * @param json as an array of objects
     * @throws ToolException if it fails for one or more, which {@code err} has been told of
     */
    void all(PrintWriter out, boolean json, PrintWriter err) {
        List<Result> results = runAll();
        tell(results.stream().filter(r -> r.failed().isEmpty()).toList(), out, json);
        List<Result> failed =
                results.stream().filter(r -> r.failed().isPresent()).toList();
        failed.forEach(r -> err.println("kexecfs: " + r.said()));
        if (!failed.isEmpty()) {
            int exit = failed.stream().map(r -> r.failed().get()).distinct().count() == 1
                    ? failed.getFirst().failed().get()
                    : Exit.FAILED;
            throw new ToolException(exit, failed.size() + " of " + results.size() + " sessions failed");
        }
    }

    private static void tell(List<Result> results, PrintWriter out, boolean json) {
        if (json) {
            Json.write(out, results.stream().map(Transition::fields).toList());
        } else {
            results.forEach(r -> out.println(Table.plain(r.mount().session()) + ": " + r.said()));
        }
    }

    private static Map<String, Object> fields(Result result) {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("session", result.mount().session());
        fields.put("directory", result.mount().directory().toString());
        fields.put("state", result.said());
        return fields;
    }

    /** Each once, whatever bind mounts it has. */
    private static List<MountedSession> sessions() {
        Set<Long> seen = new HashSet<>();
        return MountTable.read().stream()
                .filter(mount -> seen.add(mount.device()))
                .toList();
    }

    /**
     * kexecfsd is asked once for all that it serves: by its control files a session costs a dozen requests through the kernel,
     * and there are thousands. Others, that have a process of their own, or are dead, are asked one by one.
     */
    private List<Result> runAll() {
        List<MountedSession> mounts = sessions();
        Map<Long, Answer.Came> told = Kexecfsd.writeAll(new Request.WriteAll(file, word, from));
        try (ExecutorService threads = Executors.newFixedThreadPool(AT_ONCE)) {
            List<Future<Optional<Result>>> under = new ArrayList<>();
            for (MountedSession mount : mounts) {
                Answer.Came came = told.get(mount.device());
                under.add(
                        came == null
                                ? threads.submit(() -> runIfInState(mount))
                                : CompletableFuture.completedFuture(result(mount, came)));
            }
            List<Result> results = new ArrayList<>();
            for (Future<Optional<Result>> one : under) {
                one.get().ifPresent(results::add);
            }
            return results;
        } catch (ExecutionException e) {
            throw new IllegalStateException(e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new ToolException(Exit.FAILED, "interrupted", e);
        }
    }

    /** What the daemon says came of one. */
    private static Optional<Result> result(MountedSession mount, Answer.Came came) {
        return switch (came.how()) {
            case LEFT -> Optional.empty();
            case DONE -> Optional.of(new Result(mount, came.said(), Optional.empty()));
            case FAILED ->
                Optional.of(
                        failed(mount, came.failure().message(), came.failure().errno()));
        };
    }

    private static Result failed(MountedSession mount, String why, Errno errno) {
        return new Result(
                mount,
                Table.plain(mount.session()) + " at " + mount.directory() + ": " + why,
                Optional.of(Exit.of(errno)));
    }

    private Optional<Result> runIfInState(MountedSession mount) {
        SessionInfo info = SessionInfo.of(List.of(mount)).getFirst();
        if (info.trouble().isPresent()) {
            return Optional.of(new Result(mount, info.trouble().get(), Optional.of(Exit.FAILED)));
        }
        return from.contains(info.state()) || info.isDead() ? Optional.of(run(mount)) : Optional.empty();
    }

    private Result run(MountedSession mount) {
        String path = mount.directory().resolve(file).toString();
        try (Fd control = Fd.open(path, Fd.O_WRONLY, 0)) {
            control.pwrite(Fd.utf8(word), 0);
            return new Result(mount, read(mount, "kexecfs.state"), Optional.empty());
        } catch (ErrnoException e) {
            return failed(mount, why(mount, e), e.errno());
        } catch (IOException e) {
            return failed(mount, "kexecfs.state cannot be read: " + e.getMessage(), Errno.EIO);
        }
    }

    private String why(MountedSession mount, ErrnoException e) {
        if (SessionInfo.isDead(mount.directory())) {
            return "the process that served it is gone; unmount it with 'kexecfs umount " + mount.directory() + "'";
        }
        return e.getMessage() + error(mount).map(words -> ": " + words).orElse("");
    }

    private static Optional<String> error(MountedSession mount) {
        try {
            return Optional.of(read(mount, "kexecfs.error")).filter(words -> !words.isEmpty());
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    private static String read(MountedSession mount, String file) throws IOException {
        return Files.readString(mount.directory().resolve(file)).strip();
    }
}
