package org.kexecfs.fuse;

import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import jnr.ffi.Pointer;

/**
 * Which files are open, by the kernel's node ids, so that a file without a name can still be asked for its attributes.
 *
 * <p>fstat(2) reaches a FUSE server without the open file it was called on, and libfuse 2 answers ENOENT once the node has
 * no path. So a request for the attributes of a node that is open is completed with an open file on its way in: libfuse
 * then calls fgetattr.
 *
 * <p>That file's release, by somebody else, waits for the answer. {@code lock} guards the fields; nothing else is
 * locked under it.
 */
final class OpenNodes {
    private static final int FUSE_GETATTR_FH = 1;
    private static final int GETATTR_FH = 8;

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition answered = lock.newCondition();
    private final Map<Long, Set<Long>> open = new HashMap<>();
    private final Map<Long, Integer> asked = new HashMap<>();

    void opened(long node, long handle) {
        lock.lock();
        try {
            open.computeIfAbsent(node, n -> new LinkedHashSet<>()).add(handle);
        } finally {
            lock.unlock();
        }
    }

    /** The file is about to be closed: no request is given it any more, and none that was is under way. */
    void released(long node, long handle) {
        lock.lock();
        try {
            open.computeIfPresent(node, (n, handles) -> {
                handles.remove(handle);
                return handles.isEmpty() ? null : handles;
            });
            while (asked.containsKey(handle)) {
                answered.awaitUninterruptibly();
            }
        } finally {
            lock.unlock();
        }
    }

    /**
     * Completes a FUSE_GETATTR.
     *
     * @param node that it is about
     * @param request its body, changed in place
     * @return the file that it is given, which stays until {@link #answered}; empty if the node is not open
     */
    OptionalLong completeGetattr(long node, Pointer request) {
        lock.lock();
        try {
            if (!open.containsKey(node)) {
                return OptionalLong.empty();
            }
            long handle = open.get(node).iterator().next();
            asked.merge(handle, 1, Integer::sum);
            request.putInt(0, request.getInt(0) | FUSE_GETATTR_FH);
            request.putLong(GETATTR_FH, handle);
            return OptionalLong.of(handle);
        } finally {
            lock.unlock();
        }
    }

    /** What {@link #completeGetattr} gave a file to has been done. */
    void answered(long handle) {
        lock.lock();
        try {
            asked.computeIfPresent(handle, (h, count) -> count == 1 ? null : count - 1);
            answered.signalAll();
        } finally {
            lock.unlock();
        }
    }
}
