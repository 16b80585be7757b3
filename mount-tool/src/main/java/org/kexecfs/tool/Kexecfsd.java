package org.kexecfs.tool;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.UnaryOperator;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.daemon.Address;
import org.kexecfs.daemon.Answer;
import org.kexecfs.daemon.Client;
import org.kexecfs.daemon.Request;
import org.kexecfs.daemon.Starter;
import org.kexecfs.mount.MountTable;

/** The host's kexecfsd, as the commands ask it. */
final class Kexecfsd {
    /** One that ends on its own just when it is asked is replaced by another, once. */
    private static final int ATTEMPTS = 3;

    /** How long one that is stopped may be. */
    private static final Duration PATIENCE = Duration.ofSeconds(5);

    private static final Duration LOOK = Duration.ofMillis(200);

    private Kexecfsd() {}

    /**
     * Has a session mounted, by a daemon that is started if none runs. One that is killed in the middle of it leaves what the
     * next goes on with, before that answers anyone: then there is nothing left to ask for.
     */
    static Answer mount(Request.Mount request) {
        return askStarting(request, answer -> isBusy(answer) && isMounted(request) ? new Answer.Done() : answer);
    }

    private static boolean isBusy(Answer answer) {
        return answer instanceof Answer.Failed failed && failed.errno() == Errno.EBUSY;
    }

    private static boolean isMounted(Request.Mount request) {
        return MountTable.at(request.directory())
                .filter(mount -> mount.session().equals(request.session()))
                .isPresent();
    }

    private static Answer askStarting(Request request) {
        return askStarting(request, answer -> answer);
    }

    /**
     * Asks for something, of a daemon that is started if none runs.
     *
     * @param secondAnswer what an answer means after a daemon that ended without one
     */
    private static Answer askStarting(Request request, UnaryOperator<Answer> secondAnswer) {
        Starter starter = starter();
        for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
            try (Client client = starter.connect()) {
                Optional<Answer> answer = client.ask(request);
                if (answer.isPresent()) {
                    return attempt == 0 ? answer.get() : secondAnswer.apply(answer.get());
                }
            }
        }
        throw new ToolException(
                Exit.FAILED,
                "kexecfsd ended without an answer; " + Address.ours().log() + " may say why");
    }

    /** What starts it. */
    static Starter starter() {
        return new Starter(Address.ours(), program());
    }

    /**
     * Has what a killed daemon had mounted mounted again, as far as it can be. That takes as long as it takes, but not longer
     * than {@link #PATIENCE} with a daemon that is stopped.
     *
     * @throws ToolException if there is something that could not be
     */
    static void heal() {
        CompletableFuture<Answer> asked = CompletableFuture.supplyAsync(
                () -> askStarting(new Request.Heal()),
                task -> Thread.ofPlatform().daemon().name("heal").start(task));
        if (whileAtWork(asked) instanceof Answer.Failed failed) {
            throw new ToolException(Exit.of(failed.errno()), "kexecfsd: " + failed.message());
        }
    }

    private static <T> T whileAtWork(CompletableFuture<T> asked) {
        long worked = System.nanoTime();
        while (true) {
            try {
                return asked.get(LOOK.toMillis(), TimeUnit.MILLISECONDS);
            } catch (TimeoutException e) {
                Optional<Server> stopped =
                        Address.ours().lastProcess().map(Server::new).filter(Server::isStopped);
                if (stopped.isEmpty()) {
                    worked = System.nanoTime();
                } else if (System.nanoTime() - worked > PATIENCE.toNanos()) {
                    throw new ToolException(
                            Exit.FAILED,
                            "kexecfsd does not answer: it is " + stopped.get().silence(),
                            e);
                }
            } catch (ExecutionException e) {
                throw e.getCause() instanceof RuntimeException failure ? failure : new IllegalStateException(e);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new ToolException(Exit.FAILED, "interrupted", e);
            }
        }
    }

    /**
     * Has the daemon write to a control file of all its sessions.
     *
     * @return what came of each, by filesystem's number. Not of all, if it was killed meanwhile; of none, if none runs, or none
     *     that serves us
     */
    static Map<Long, Answer.Came> writeAll(Request.WriteAll request) {
        Map<Long, Answer.Came> all = new HashMap<>();
        connect().ifPresent(running -> {
            try (Client client = running) {
                Optional<Answer> answer = client.ask(request);
                while (answer.orElse(null) instanceof Answer.Came one) {
                    all.put(one.device(), one);
                    answer = client.next();
                }
            }
        });
        return all;
    }

    /**
     * Has the daemon end the mounts of an emulation, as a kexec would.
     *
     * @return its process; empty if none runs
     */
    static Optional<Integer> drop(Path emulation) {
        return connect().flatMap(running -> {
            try (Client client = running) {
                return client.ask(new Request.Drop(emulation))
                        .map(answer -> Address.ours().process());
            }
        });
    }

    /** A connection to the daemon, if one runs. */
    static Optional<Client> connect() {
        return Client.connect(Address.ours());
    }

    private static Path program() {
        String home = System.getProperty("kexecfs.home");
        Path program = Path.of(home == null ? "" : home, "bin", "kexecfsd");
        if (!Files.isExecutable(program)) {
            throw new ToolException(Exit.FAILED, "no kexecfsd runs, and there is none to start: " + program);
        }
        return program;
    }
}
