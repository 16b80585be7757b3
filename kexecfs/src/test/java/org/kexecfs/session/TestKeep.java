package org.kexecfs.session;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.keep.Keep;
import org.kexecfs.luo.LiveUpdate;
import org.kexecfs.luo.LiveUpdateSession;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;

/** A keeper in this process, with descriptors of its own, that outlives the "processes" it serves. */
final class TestKeep implements AutoCloseable {
    private final Kills kills;
    private final Map<String, Fd> held = new TreeMap<>();
    private boolean full;

    TestKeep(Kills kills) {
        this.kills = kills;
    }

    /** Names of what is held. */
    List<String> names() {
        return List.copyOf(held.keySet());
    }

    /** What is held under a name. */
    Optional<Fd> file(String name) {
        return Optional.ofNullable(held.get(name));
    }

    /** Nothing more can be parked. */
    void full(boolean isFull) {
        full = isFull;
    }

    /** What a process sees that is started now. */
    Client connect() {
        return new Client();
    }

    /**
     * A process has just been killed. What runs in it still, in finally, writes to logs that nobody will read: the keeper
     * has copies.
     */
    void freeze() {
        held.replaceAll((name, file) -> isLog(name) ? copy(file) : file);
    }

    private static boolean isLog(String name) {
        return name.contains("/manifest.") || name.contains("/progress.");
    }

    private static Fd copy(Fd file) {
        byte[] bytes = new byte[(int) file.status().size()];
        file.pread(bytes, 0);
        file.close();
        Fd copy = Fd.memfd("frozen");
        copy.pwrite(bytes, 0);
        return copy;
    }

    /** The keeper dies as well. */
    void forget() {
        held.values().forEach(Fd::close);
        held.clear();
    }

    @Override
    public void close() {
        forget();
    }

    /** The keep of one process. */
    final class Client implements Keep {
        private final Map<String, Fd> found = new TreeMap<>();

        /** All that is the process's own: what its end closes. */
        private final List<Fd> own = new ArrayList<>();

        private Client() {
            held.forEach((name, fd) -> found.put(name, fd.dup()));
            own.addAll(found.values());
        }

        /** Closes what the process has open. */
        void die() {
            own.forEach(Fd::close);
        }

        @Override
        public Map<String, Fd> found() {
            return Map.copyOf(found);
        }

        @Override
        public void park(Map<String, Fd> files) {
            files.forEach((name, file) -> {
                kills.step();
                if (full) {
                    throw new ErrnoException(Errno.EMFILE, "as the test wants it");
                }
                Fd before = held.put(name, file.dup());
                if (before != null) {
                    throw new AssertionError(name + " is parked already");
                }
                own.add(file);
                kills.step();
            });
        }

        /** In the keeper, as it seems to a process that is killed. */
        @Override
        public LiveUpdateSession retrieve(String name, LiveUpdate luo, String session) {
            kills.step();
            LiveUpdateSession retrieved = luo.retrieveSession(session);
            held.put(name, retrieved.fd().dup());
            kills.step();
            return retrieved;
        }

        @Override
        public void release(String name) {
            kills.step();
            Fd file = held.remove(name);
            if (file != null) {
                file.close();
            }
            found.remove(name);
            kills.step();
        }

        @Override
        public void settle() {
            kills.step();
        }

        @Override
        public void close() {
            // There is nothing to close.
        }
    }
}
