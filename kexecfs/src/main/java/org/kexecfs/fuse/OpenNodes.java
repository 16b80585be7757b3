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
 * then calls fgetattr. Offsets are those of linux/fuse.h.
 */
final class OpenNodes {
    private static final int OPCODE = 4;
    private static final int NODE = 16;
    private static final int REQUEST_BODY = 40;

    private static final int FUSE_GETATTR = 3;
    private static final int FUSE_OPEN = 14;
    private static final int FUSE_RELEASE = 18;
    private static final int FUSE_CREATE = 35;

    private static final int FUSE_GETATTR_FH = 1;
    private static final int GETATTR_FH = REQUEST_BODY + 8;

    private static final int REPLY_ERROR = 4;
    private static final int SIZE_OF_ENTRY_OUT = 128;
    private static final int SIZE_OF_IOVEC = 16;

    /** What the thread is answering; each thread answers one request at a time. */
    private record Request(int opcode, long node) {}

    private final ThreadLocal<Request> answering = new ThreadLocal<>();
    private final Map<Long, Set<Long>> open = new ConcurrentHashMap<>();

    /** A request comes in; it may be changed. */
    void request(Pointer request) {
        int opcode = request.getInt(OPCODE);
        long node = request.getLong(NODE);
        switch (opcode) {
            case FUSE_OPEN, FUSE_CREATE -> answering.set(new Request(opcode, node));
            case FUSE_RELEASE -> released(node, request.getLong(REQUEST_BODY));
            case FUSE_GETATTR -> giveFile(node, request);
            default -> {}
        }
    }

    private void giveFile(long node, Pointer request) {
        Set<Long> files = open.get(node);
        if (files != null) {
            files.stream().findAny().ifPresent(file -> {
                request.putInt(REQUEST_BODY, request.getInt(REQUEST_BODY) | FUSE_GETATTR_FH);
                request.putLong(GETATTR_FH, file);
            });
        }
    }

    private void released(long node, long file) {
        open.computeIfPresent(node, (n, files) -> {
            files.remove(file);
            return files.isEmpty() ? null : files;
        });
    }

    /** A reply goes out. */
    void reply(Pointer vector, int count) {
        Request request = answering.get();
        if (request == null) {
            return;
        }
        answering.remove();
        boolean failed = vector.getPointer(0).getInt(REPLY_ERROR) != 0;
        if (!failed && count > 1) {
            Pointer body = vector.getPointer(SIZE_OF_IOVEC);
            boolean created = request.opcode() == FUSE_CREATE;
            long node = created ? body.getLong(0) : request.node();
            long file = body.getLong(created ? SIZE_OF_ENTRY_OUT : 0);
            open.computeIfAbsent(node, n -> ConcurrentHashMap.newKeySet()).add(file);
        }
    }
}
