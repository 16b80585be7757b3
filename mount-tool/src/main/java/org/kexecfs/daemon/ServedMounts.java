package org.kexecfs.daemon;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.fuse.KexecFsMount;
import org.kexecfs.keep.Coming;
import org.kexecfs.keep.Keep;
import org.kexecfs.keep.Shelf;
import org.kexecfs.mount.Anchor;
import org.kexecfs.mount.DeadBinds;
import org.kexecfs.mount.MountOptions;
import org.kexecfs.mount.MountRecord;
import org.kexecfs.mount.MountViews;
import org.kexecfs.mount.Parked;
import org.kexecfs.posix.ErrnoException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The mounts that the daemon serves, by their filesystems' numbers: each from when it is mounted until its session ended. */
final class ServedMounts {
    private static final Logger log = LoggerFactory.getLogger(ServedMounts.class);

    /** How long the next end of a mount is waited for: of all that are left somebody has files open then. */
    private static final Duration PATIENCE = Duration.ofSeconds(5);

    /** How long the end of a mount may take that nobody has anything of: systemd is asked then what is coming. */
    private static final Duration LAST = Duration.ofSeconds(10);

    /** More would wait for the processors. */
    private static final int AT_ONCE = 8;

    private record Served(KexecFsMount mount, MountOptions options, String shelf) {}

    private final Map<Long, Served> mounts = new ConcurrentHashMap<>();
    private final Keep keep;
    private final OwnMounts own;
    private final Runnable onChange;

    /**
     * @param keep what holds the sessions if this process dies
     * @param own what is mounted by this process, and was by those before it
     * @param onChange is called after a mount came or went
     */
    ServedMounts(Keep keep, OwnMounts own, Runnable onChange) {
        this.keep = keep;
        this.own = own;
        this.onChange = onChange;
    }

    /**
     * Mounts a session, and serves it.
     *
     * @throws org.kexecfs.posix.ErrnoException as {@link KexecFsMount#mount}
     */
    void mount(Request.Mount request) {
        MountRecord asked = new MountRecord(request.session(), request.directory(), request.base(), request.options());
        awaitEnding(asked.shelf());
        mount(asked);
        Shelf shelf = new Shelf(keep, asked.shelf());
        if (!Anchor.found(shelf).isEmpty()) {
            renewBinds(List.of(shelf));
        }
    }

    /**
     * A session that was just unmounted ends when nobody has anything of its filesystem any more: neither what keeps it, which may
     * take its time to let go, nor one who has files open. The latter is not waited for.
     */
    private void awaitEnding(String shelf) {
        List<Served> before = mounts.values().stream()
                .filter(served -> served.shelf().equals(shelf))
                .toList();
        if (before.isEmpty()
                || MountViews.devicesAnywhere()
                        .contains(before.getFirst().mount().device())) {
            return;
        }
        awaitKeep();
        try {
            before.getFirst().mount().ended().get(LAST.toMillis(), TimeUnit.MILLISECONDS);
        } catch (TimeoutException | ExecutionException e) {
            log.debug("session {} is still used, and refused: {}", shelf, e.toString());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** What was let go of is closed also where it is kept when this returns, unless that answers to nobody. */
    void awaitKeep() {
        try {
            keep.settle();
        } catch (ErrnoException e) {
            log.warn("what has ended lives on, until what keeps it closes it: {}", e.getMessage());
        }
    }

    private void mount(MountRecord asked) {
        MountOptions options = asked.parsed();
        KexecFsMount mount = KexecFsMount.mount(asked, keep);
        Served served = new Served(mount, options, asked.shelf());
        mounts.put(mount.device(), served);
        own.add(mount.device());
        onChange.run();
        // The number is free for another mount once this one ends, so it is this very mount that is taken out.
        mount.ended().whenComplete((nothing, failure) -> {
            if (mounts.remove(mount.device(), served)) {
                own.remove(mount.device());
            }
            onChange.run();
        });
    }

    /**
     * Mounts again what a daemon before had mounted, each where it was. What cannot be mounted stays kept, for the next to
     * try.
     */
    void heal() {
        Collection<Shelf> shelves = Shelf.found(keep).values();
        if (!shelves.isEmpty()) {
            heal(shelves);
        }
        // What could not be mounted the log has told.
        lost().forEach(log::error);
    }

    private void heal(Collection<Shelf> shelves) {
        long begun = System.nanoTime();
        Set<Long> mounted = MountViews.devicesAnywhere();
        levels(shelves).forEach(level -> inParallel(level, shelf -> heal(shelf, mounted)));
        renewBinds(shelves);
        log.info("{} sessions were left: {} mounts after {} ms", shelves.size(), count(), millisecondsSince(begun));
    }

    /** A mount point in another session is there only once that one is mounted again: those that are in none, those that are in these, and so on. */
    private static Collection<List<Shelf>> levels(Collection<Shelf> shelves) {
        Map<Shelf, Path> places = new HashMap<>();
        shelves.forEach(shelf -> Parked.record(shelf).ifPresent(asked -> places.put(shelf, asked.directory())));
        Set<Path> all = Set.copyOf(places.values());
        return shelves.stream()
                .collect(Collectors.groupingBy(
                        shelf -> Stream.iterate(places.get(shelf), Objects::nonNull, Path::getParent)
                                .filter(all::contains)
                                .count(),
                        TreeMap::new,
                        Collectors.toList()))
                .values();
    }

    /**
     * Returns if all that a daemon before had mounted is served.
     *
     * @throws ErrnoException ENOTCONN, with what is not, and what can be done about it
     */
    void requireHealed() {
        List<String> left =
                Stream.concat(waiting().map(ServedMounts::told), lost()).toList();
        if (!left.isEmpty()) {
            throw new ErrnoException(Errno.ENOTCONN, String.join("; ", left));
        }
    }

    /** What is kept, and could not be mounted again. */
    private Stream<MountRecord> waiting() {
        Set<String> served = mounts.values().stream().map(Served::shelf).collect(Collectors.toSet());
        return Shelf.found(keep).values().stream()
                .filter(shelf -> !served.contains(shelf.name()))
                .flatMap(shelf -> Parked.record(shelf).stream());
    }

    private static String told(MountRecord kept) {
        // Paths in the options may be relative.
        String mount = kept.options().isEmpty()
                ? "kexecfs mount "
                : "cd " + kept.base() + " && kexecfs mount -o " + kept.options() + " ";
        return "session " + kept.session() + " is kept, but not mounted: '" + mount + kept.session() + " "
                + kept.directory() + "' mounts it again, or says why it cannot";
    }

    /** The fd store may have been emptied, or daemon and keeper killed at once: there is nothing to go on with, but a dead mount. */
    private Stream<String> lost() {
        Set<String> waiting = waiting().map(MountRecord::session).collect(Collectors.toSet());
        return own.dead(mounts::containsKey).stream()
                .filter(mount -> !waiting.contains(mount.session()))
                .map(mount -> "session " + mount.session() + " is lost: nobody has kept what " + mount.directory()
                        + " showed; that can be unmounted, and mounted anew with nothing in it");
    }

    private void heal(Shelf shelf, Set<Long> mounted) {
        if (!Parked.hasSession(shelf)) {
            Parked.clear(shelf);
            return;
        }
        // At a soft reboot systemd unmounts everything, and no session has ended by that.
        if (!keep.outlivesStop() && Parked.wasUnmounted(shelf, mounted)) {
            log.info("what is kept as {} was unmounted while nobody served it: it has ended", shelf.name());
            Parked.clear(shelf);
            return;
        }
        try {
            Parked.record(shelf)
                    .ifPresentOrElse(
                            asked -> mountAgain(shelf, asked),
                            () -> log.info("what is kept as {} waits to be mounted", shelf.name()));
        } catch (RuntimeException e) {
            log.error("session {} could not be mounted again; it is kept: {}", shelf.name(), e.getMessage());
        }
    }

    /** Where it was; if that is no more, for a directory above it was renamed, where it is now. */
    private void mountAgain(Shelf shelf, MountRecord asked) {
        try {
            mount(asked);
        } catch (ErrnoException e) {
            Optional<Path> moved = e.is(Errno.ENOENT) ? Anchor.placeFound(shelf) : Optional.empty();
            mount(asked.at(moved.orElseThrow(() -> e)));
        }
    }

    /** Bind mounts of what is mounted again: there, and here those that did not follow. */
    private void renewBinds(Collection<Shelf> shelves) {
        Map<String, Path> places = new HashMap<>();
        mounts.values()
                .forEach(served -> places.put(served.shelf(), served.mount().directory()));
        List<Anchor> before = shelves.stream()
                .filter(shelf -> places.containsKey(shelf.name()))
                .flatMap(shelf -> Anchor.found(shelf).stream())
                .toList();
        Map<Long, Path> renewed = before.stream()
                .collect(Collectors.toMap(Anchor::device, anchor -> places.get(anchor.shelf()), (one, other) -> one));
        try {
            DeadBinds.renew(renewed);
        } catch (ErrnoException e) {
            log.warn("bind mounts that are dead may be left: {}", e.getMessage());
        }
        before.forEach(Anchor::close);
    }

    private static long millisecondsSince(long begun) {
        return Duration.ofNanos(System.nanoTime() - begun).toMillis();
    }

    /** The mount of a filesystem. */
    Optional<KexecFsMount> find(long device) {
        return Optional.ofNullable(mounts.get(device)).map(Served::mount);
    }

    int count() {
        return mounts.size();
    }

    /**
     * Writes a word to a control file of all that are mounted here.
     *
     * @param came is told what came of each, one after the other, by several threads; if it cannot be told any more, all is done
     *     all the same
     */
    void writeAll(Request.WriteAll request, Consumer<Answer> came) {
        Map<Long, Boolean> writable = MountViews.writableHere();
        List<Served> here = mounts.values().stream()
                .filter(served -> writable.containsKey(served.mount().device()))
                .toList();
        inParallel(here, served -> {
            Answer answer =
                    write(request, served.mount(), writable.get(served.mount().device()));
            try {
                came.accept(answer);
            } catch (ErrnoException e) {
                log.debug("whoever asked for it is gone: {}", e.getMessage());
            }
        });
    }

    private static Answer write(Request.WriteAll request, KexecFsMount mount, boolean writable) {
        String state = mount.state().toString();
        if (!request.from().contains(state)) {
            return new Answer.Came(mount.device(), Answer.Came.How.LEFT, state);
        }
        try {
            if (!writable) {
                throw new ErrnoException(Errno.EROFS, mount.directory() + " is mounted read-only");
            }
            mount.command(request.file(), request.word());
            return new Answer.Came(
                    mount.device(), Answer.Came.How.DONE, mount.state().toString());
        } catch (ErrnoException e) {
            return Answer.Came.failed(mount.device(), e);
        } catch (RuntimeException | Error e) {
            log.error("{} failed in a way it should not; please report this", request.file(), e);
            return Answer.Came.failed(mount.device(), new ErrnoException(Errno.EIO, "kexecfsd's log says more: " + e));
        }
    }

    /** Ends those of an emulation, as a kexec would. */
    void drop(Path emulation) {
        endAll(
                served -> served.options()
                        .emulate()
                        .filter(own -> isSame(own, emulation))
                        .isPresent(),
                KexecFsMount::abort);
    }

    private static boolean isSame(Path one, Path other) {
        try {
            return Files.isSameFile(one, other);
        } catch (IOException e) {
            return false;
        }
    }

    /** Unmounts all, and ends their sessions; or leaves them to the keep, if that has them for whoever comes after us. */
    void closeAll() {
        if (keep.outlivesStop()) {
            leaveAll();
        } else {
            endAll(served -> true, KexecFsMount::unmount);
            // Of what is left somebody has files open, and they end with this process.
            mounts.values().forEach(served -> new Shelf(keep, served.shelf()).releaseAll());
        }
    }

    /** As they are, or, with a kexec coming, prepared for it. */
    private void leaveAll() {
        if (keep.coming() == Coming.KEXEC) {
            inParallel(mounts.values(), served -> served.mount().leave());
        }
        Set<Long> mounted = MountViews.devicesAnywhere();
        // What is unmounted and has not ended yet would be mounted again by the next daemon. It ends once that is
        // closed which keeps it.
        awaitKeep();
        endAll(served -> !mounted.contains(served.mount().device()), mount -> {});
        // Whom a message is from systemd does not know once that has ended.
        awaitKeep();
    }

    private static <T> void inParallel(Collection<T> all, Consumer<T> what) {
        try (ExecutorService threads = Executors.newFixedThreadPool(AT_ONCE)) {
            all.forEach(one -> threads.execute(() -> what.accept(one)));
        }
    }

    /** To end a thousand takes its time: they are waited for as long as another one ends every now and then. */
    private void endAll(Predicate<Served> which, Consumer<KexecFsMount> end) {
        List<KexecFsMount> ending =
                mounts.values().stream().filter(which).map(Served::mount).toList();
        Semaphore ends = new Semaphore(0);
        ending.forEach(mount -> mount.ended().whenComplete((nothing, failure) -> ends.release()));
        ending.forEach(end);
        try {
            for (int ended = 0; ended < ending.size(); ended++) {
                if (!ends.tryAcquire(PATIENCE.toMillis(), TimeUnit.MILLISECONDS)) {
                    ending.stream()
                            .filter(mount -> !mount.ended().isDone())
                            .forEach(mount -> log.warn(
                                    "{}: files in it are still open; what they hold ends with this process",
                                    mount.directory()));
                    return;
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
