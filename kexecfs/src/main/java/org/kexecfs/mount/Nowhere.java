package org.kexecfs.mount;

import java.util.Optional;
import org.kexecfs.posix.Fd;

/**
 * No place in the hierarchy: a private mount is reached by descriptors only, and ends with the last one.
 *
 * <p>So nothing of ours may use it once it was handed out.
 */
public record Nowhere() implements Place {
    @Override
    public String told() {
        return "privately";
    }

    @Override
    public boolean isSeen() {
        return false;
    }

    @Override
    public Optional<Fd> attach(FuseMount mount) {
        return Optional.empty();
    }

    /** Nothing: it ends with the last descriptor of it, wherever that is. */
    @Override
    public void detach(FuseMount mount) {}

    /** Nothing, as {@link #detach}. */
    @Override
    public void abort(FuseMount mount) {}
}
