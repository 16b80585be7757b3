package org.kexecfs.session;

import java.nio.file.Path;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.luo.EmulatedLiveUpdate;
import org.kexecfs.luo.LiveUpdate;
import org.kexecfs.luo.LiveUpdateSession;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;

/** The emulation, for "processes" that are killed between and within its calls. */
final class StepLuo implements LiveUpdate {
    private final Kills kills;
    private final EmulatedLiveUpdate emulation;
    private final Set<LiveUpdateSession> open = new LinkedHashSet<>();
    private final Map<Long, Errno> lost = new HashMap<>();

    StepLuo(Path directory, Kills kills) {
        this.kills = kills;
        emulation = new EmulatedLiveUpdate(directory);
    }

    /** The process ends: the kernel closes its descriptors. */
    void die() {
        List.copyOf(open).forEach(LiveUpdateSession::close);
        open.clear();
    }

    EmulatedLiveUpdate.Kexec kexec() {
        return emulation.kexec();
    }

    /** The file under a token cannot be had after a kexec. */
    void loses(long token, Errno errno) {
        lost.put(token, errno);
    }

    @Override
    public LiveUpdateSession createSession(String name) {
        kills.step();
        LiveUpdateSession session = opened(emulation.createSession(name));
        kills.step();
        return session;
    }

    @Override
    public LiveUpdateSession retrieveSession(String name) {
        kills.step();
        LiveUpdateSession session = emulation.retrieveSession(name);
        // Not a step: between the kernel and the keeper there is nobody else to have it.
        return opened(session);
    }

    @Override
    public LiveUpdateSession adopt(Fd fd) {
        return opened(emulation.adopt(fd));
    }

    private LiveUpdateSession opened(LiveUpdateSession session) {
        open.add(session);
        return new StepSession(session);
    }

    @Override
    public String kernel() {
        return emulation.kernel();
    }

    @Override
    public boolean emulated() {
        return true;
    }

    private final class StepSession implements LiveUpdateSession {
        private final LiveUpdateSession session;

        private StepSession(LiveUpdateSession session) {
            this.session = session;
        }

        @Override
        public String name() {
            return session.name();
        }

        @Override
        public void preserve(Fd file, long token) {
            kills.step();
            session.preserve(file, token);
            kills.step();
        }

        @Override
        public Fd retrieve(long token) {
            kills.step();
            if (lost.containsKey(token)) {
                throw new ErrnoException(lost.get(token), "as the test wants it");
            }
            return session.retrieve(token);
        }

        @Override
        public void finish() {
            kills.step();
            session.finish();
            kills.step();
        }

        @Override
        public Fd fd() {
            return session.fd();
        }

        @Override
        public void close() {
            kills.step();
            open.remove(session);
            session.close();
            kills.step();
        }
    }
}
