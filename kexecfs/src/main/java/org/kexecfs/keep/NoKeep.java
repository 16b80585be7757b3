package org.kexecfs.keep;

import java.util.Map;
import org.kexecfs.posix.Fd;

/** Nobody holds anything for us: a mount in the foreground, whose session ends with its process. */
enum NoKeep implements Keep {
    INSTANCE;

    @Override
    public Map<String, Fd> found() {
        return Map.of();
    }

    @Override
    public void park(Map<String, Fd> files) {
        files.keySet().forEach(KeptName::check);
    }

    @Override
    public void release(String name) {
        // Nothing is held.
    }

    @Override
    public void settle() {
        // Nothing is under way.
    }

    @Override
    public void close() {
        // Nothing is open.
    }

    @Override
    public String toString() {
        return "none";
    }
}
