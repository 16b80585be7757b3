package org.kexecfs.daemon;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.kexecfs.fuse.KexecFsMount;
import org.kexecfs.mount.MountOptions;

/** The mounts that the daemon serves, by their filesystems' numbers: each from when it is mounted until its session ended. */
final class ServedMounts {
    /** To end one is to wait for others: for who has its files open. */
    private static final int ENDED_AT_ONCE = 64;

    private record Served(KexecFsMount mount, MountOptions options) {}

    private final Map<Long, Served> mounts = new ConcurrentHashMap<>();
    private final Runnable onChange;

    /**
     * @param onChange is called after a mount came or went
     */
    ServedMounts(Runnable onChange) {
        this.onChange = onChange;
    }

    /**
     * Mounts a session, and serves it.
     *
     * @throws org.kexecfs.posix.ErrnoException as {@link KexecFsMount#mount}
     */
    void mount(Request.Mount request) {
        MountOptions options = MountOptions.parse(request.options(), request.base());
        KexecFsMount mount = KexecFsMount.mount(request.session(), request.directory(), options);
        Served served = new Served(mount, options);
        mounts.put(mount.device(), served);
        onChange.run();
        // The number is free for another mount once this one ends, so it is this very mount that is taken out.
        mount.ended().whenComplete((nothing, failure) -> {
            mounts.remove(mount.device(), served);
            onChange.run();
        });
    }

    /** The mount of a filesystem. */
    Optional<KexecFsMount> find(long device) {
        return Optional.ofNullable(mounts.get(device)).map(Served::mount);
    }

    int count() {
        return mounts.size();
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

    /** Unmounts all, and ends their sessions; each as {@link KexecFsMount#close}. */
    void closeAll() {
        endAll(served -> true, KexecFsMount::close);
    }

    private void endAll(Predicate<Served> which, Consumer<KexecFsMount> end) {
        List<Served> chosen = mounts.values().stream().filter(which).toList();
        try (ExecutorService threads = Executors.newFixedThreadPool(ENDED_AT_ONCE)) {
            chosen.forEach(served -> threads.execute(() -> end.accept(served.mount())));
        }
    }
}
