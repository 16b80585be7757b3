package org.kexecfs.docker;

import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** Sessions of a host that has no filesystem: what is mounted, where, and which cannot be ended. */
class FakeSessions implements Sessions {
    final Map<String, Path> mounted = new ConcurrentHashMap<>();
    final Map<String, String> options = new ConcurrentHashMap<>();

    @Override
    public void mount(String session, Path directory, String given) {
        mounted.put(session, directory);
        options.put(session, given);
    }

    @Override
    public boolean isMounted(String session, Path directory) {
        return directory.equals(mounted.get(session));
    }

    @Override
    public void end(String session, Path directory) {
        mounted.remove(session);
    }
}
