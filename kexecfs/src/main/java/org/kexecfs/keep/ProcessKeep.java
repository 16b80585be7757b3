package org.kexecfs.keep;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.luo.LiveUpdate;
import org.kexecfs.luo.LiveUpdateSession;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A {@link Keeper}, a process of our own, as its daemon sees it.
 *
 * <p>All that is parked is known here by name, so that a keeper that dies can be replaced by one that has it all again, be it from the shadow
 * of that one or from here: at once, by the thread that hears of its end. The monitor guards this, and the connection; whoever has something to say
 * meanwhile waits.
 */
final class ProcessKeep implements Keep {
    private static final Logger log = LoggerFactory.getLogger(ProcessKeep.class);

    /** How long a keeper may serve another daemon, which may just be ending. */
    private static final Duration PATIENCE = Duration.ofSeconds(5);

    private static final Duration WAIT = Duration.ofMillis(10);
    private static final Duration NEXT_TRY = Duration.ofSeconds(1);

    private final Path directory;
    private final KeeperCommand command;
    private final NavigableMap<String, Fd> found = new TreeMap<>();
    private final Map<String, Fd> parked = new LinkedHashMap<>();
    private KeeperConnection keeper;

    /** What the keeper starts when this process was killed; nothing if it shall not. */
    private List<String> restart = List.of();

    /** How often a keeper that died could not be replaced. */
    private long failures;

    /** What a keeper has been told to retrieve: if it was killed then, the next may have it. Empty if there is no such thing. */
    private String retrieving = "";

    private boolean closed;

    /**
     * Connects to the keeper in a directory, or starts one.
     *
     * @throws ErrnoException as {@link Keep#open}
     */
    ProcessKeep(Path directory, KeeperCommand command) {
        this.directory = directory;
        this.command = command;
        makeDirectory();
        keeper = connect();
        try {
            found.putAll(keeper.held());
        } catch (ErrnoException e) {
            keeper.closeHeld();
            keeper.close();
            throw e;
        }
        parked.putAll(found);
        keeper.listen(this::replace);
    }

    private void makeDirectory() {
        try {
            Files.createDirectories(
                    directory, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
        } catch (IOException e) {
            throw new ErrnoException(Errno.EIO, directory + ", for the keeper, cannot be made: " + e.getMessage());
        }
    }

    private KeeperConnection connect() {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (true) {
            try {
                return KeeperConnection.open(directory);
            } catch (ErrnoException e) {
                boolean late = System.nanoTime() >= deadline;
                boolean gone = isGone(e) || e.is(Errno.ENOENT, Errno.ECONNREFUSED, Errno.EAGAIN);
                if (late || !gone && !e.is(Errno.EBUSY)) {
                    throw e;
                }
                if (gone) {
                    start();
                }
                LockSupport.parkNanos(WAIT.toNanos());
            }
        }
    }

    /** One that is killed as it starts is one that has gone. */
    private void start() {
        try {
            command.start();
        } catch (ErrnoException e) {
            if (!isGone(e)) {
                throw e;
            }
            log.warn("{}", e.getMessage());
        }
    }

    private static boolean isGone(ErrnoException e) {
        return e.is(Errno.EPIPE, Errno.ECONNRESET);
    }

    @Override
    public synchronized Map<String, Fd> found() {
        return Map.copyOf(found);
    }

    /** Of thousands, for each session. */
    @Override
    public synchronized Map<String, Fd> found(String prefix) {
        return Map.copyOf(found.subMap(prefix, prefix + Character.MAX_VALUE));
    }

    @Override
    public synchronized void park(Map<String, Fd> files) {
        files.keySet().forEach(KeptName::check);
        if (parked.size() + files.size() > keeper.most()) {
            throw new ErrnoException(
                    Errno.EMFILE,
                    "the keeper holds " + parked.size() + " files, and " + keeper.most()
                            + " are the most; sysctl fs.nr_open sets that");
        }
        parked.putAll(files);
        try {
            say(() -> files.forEach(keeper::park));
        } catch (ErrnoException e) {
            parked.keySet().removeAll(files.keySet());
            throw e;
        }
    }

    @Override
    public synchronized LiveUpdateSession retrieve(String name, LiveUpdate luo, String session) {
        KeptName.check(name);
        retrieving = name;
        try {
            AtomicReference<Fd> retrieved = new AtomicReference<>();
            while (retrieved.get() == null) {
                say(() -> retrieved.set(keeper.retrieve(name, luo.toString(), session)));
            }
            parked.put(name, retrieved.get());
            return luo.adopt(retrieved.get());
        } finally {
            retrieving = "";
        }
    }

    @Override
    public synchronized void release(String name) {
        found.remove(name);
        if (parked.remove(name) != null) {
            say(() -> keeper.release(name));
        }
    }

    @Override
    public synchronized void releaseAll(String prefix) {
        parked.keySet().stream()
                .filter(name -> name.startsWith(prefix))
                .toList()
                .forEach(this::release);
    }

    @Override
    public synchronized void restartBy(List<String> command) {
        restart = List.copyOf(command);
        say(() -> keeper.restartBy(restart));
    }

    /**
     * The wait is outside the monitor: of hundreds that end sessions none is to wait for the answers of all others. If the keeper
     * dies meanwhile the next one, which may have taken over what was released, is asked.
     */
    @Override
    public void settle() {
        while (true) {
            Asked asked = ask();
            try {
                asked.keeper().awaitSynced(asked.number());
                return;
            } catch (ErrnoException e) {
                awaitNextAfter(asked.keeper());
            }
        }
    }

    /** Who was asked to say when all is done, and what it will say. */
    private record Asked(KeeperConnection keeper, long number) {}

    private synchronized Asked ask() {
        AtomicReference<Asked> asked = new AtomicReference<>();
        while (asked.get() == null) {
            say(() -> asked.set(new Asked(keeper, keeper.sync())));
        }
        return asked.get();
    }

    private synchronized void awaitNextAfter(KeeperConnection dead) {
        if (keeper == dead) {
            awaitReplacement();
        }
    }

    /** Says something to the keeper; if that has died, the next is given all that is parked by now. */
    private void say(Runnable what) {
        try {
            what.run();
        } catch (ErrnoException e) {
            if (!isGone(e)) {
                throw e;
            }
            awaitReplacement();
        }
    }

    private void awaitReplacement() {
        KeeperConnection dead = keeper;
        long before = failures;
        boolean interrupted = false;
        while (keeper == dead && failures == before && !closed) {
            try {
                wait();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        if (keeper == dead) {
            throw new ErrnoException(Errno.EAGAIN, "the keeper has ended, and no other could be started");
        }
    }

    /** What the thread that hears of a keeper's end does: it tries until there is another. */
    private void replace(KeeperConnection dead) {
        while (!tryReplace(dead)) {
            LockSupport.parkNanos(NEXT_TRY.toNanos());
        }
    }

    private synchronized boolean tryReplace(KeeperConnection dead) {
        if (closed) {
            return true;
        }
        log.warn("the keeper in {} has ended; another takes its place", directory);
        try {
            KeeperConnection next = connect();
            try {
                fill(next);
            } catch (ErrnoException e) {
                next.close();
                throw e;
            }
            keeper = next;
            dead.close();
            next.listen(this::replace);
            log.info("the next keeper holds all of {} files", parked.size());
            return true;
        } catch (ErrnoException e) {
            log.error("{}; until there is a keeper again, a crash of this process may lose all", e.getMessage());
            failures++;
            return false;
        } finally {
            notifyAll();
        }
    }

    private void fill(KeeperConnection next) {
        next.restartBy(restart);
        next.closeHeld();
        next.names().stream()
                .filter(name -> !parked.containsKey(name) && !name.equals(retrieving))
                .forEach(next::release);
        parked.forEach(next::park);
    }

    @Override
    public synchronized void close() {
        closed = true;
        notifyAll();
        try {
            keeper.restartBy(List.of());
        } catch (ErrnoException e) {
            log.debug("the keeper has just ended, and starts nobody: {}", e.getMessage());
        }
        keeper.close();
    }

    @Override
    public String toString() {
        return "keeper in " + directory;
    }
}
