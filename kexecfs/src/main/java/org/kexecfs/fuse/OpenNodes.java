package org.kexecfs.fuse;

import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import jnr.ffi.Pointer;

/**
 * Which files are open, by the kernel's node ids, so that a file without a name can still be asked for its attributes.
 *
 * <p>fstat(2) reaches a FUSE server without the open file it was called on, and libfuse 2 answers ENOENT once the node has
 * no path. So a request for the attributes of a node that is open is completed with an open file on its way in: libfuse
 * then calls fgetattr.
 */
final class OpenNodes {
    private static final int FUSE_GETATTR_FH = 1;
    private static final int GETATTR_FH = 8;

    private final Map<Long, Set<Long>> open = new ConcurrentHashMap<>();

    void opened(long node, long handle) {
        open.computeIfAbsent(node, n -> ConcurrentHashMap.newKeySet()).add(handle);
    }

    void released(long node, long handle) {
        open.computeIfPresent(node, (n, handles) -> {
            handles.remove(handle);
            return handles.isEmpty() ? null : handles;
        });
    }

    /**
     * Completes a FUSE_GETATTR.
     *
     * @param node that it is about
     * @param request its body, changed in place
     */
    void completeGetattr(long node, Pointer request) {
        Set<Long> handles = open.get(node);
        if (handles != null) {
            handles.stream().findAny().ifPresent(handle -> {
                request.putInt(0, request.getInt(0) | FUSE_GETATTR_FH);
                request.putLong(GETATTR_FH, handle);
            });
        }
    }
}
