package org.kexecfs.daemon;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import org.kexecfs.fuse.KexecFsMount;
import org.kexecfs.mount.MountOptions;

/** The mounts that the daemon serves, by their filesystems' numbers: each from when it is mounted until its session ended. */
final class ServedMounts {
    private final Map<Long, KexecFsMount> mounts = new ConcurrentHashMap<>();

    /**
     * Mounts a session, and serves it.
     *
     * @throws org.kexecfs.posix.ErrnoException as {@link KexecFsMount#mount}
     */
    void mount(Request.Mount request) {
        MountOptions options = MountOptions.parse(request.options(), request.base());
        KexecFsMount mount = KexecFsMount.mount(request.session(), request.directory(), options);
        mounts.put(mount.device(), mount);
        // The number is free for another mount once this one ends, so it is this very mount that is taken out.
        mount.ended().thenRun(() -> mounts.remove(mount.device(), mount));
    }

    /** The mount of a filesystem. */
    Optional<KexecFsMount> find(long device) {
        return Optional.ofNullable(mounts.get(device));
    }

    boolean isEmpty() {
        return mounts.isEmpty();
    }

    int count() {
        return mounts.size();
    }

    /** Unmounts all, and ends their sessions; each as {@link KexecFsMount#close}. */
    void closeAll() {
        Collection<KexecFsMount> all = List.copyOf(mounts.values());
        all.parallelStream().forEach(KexecFsMount::close);
    }
}
