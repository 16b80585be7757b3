package org.kexecfs.fuse;

import java.util.OptionalLong;
import jnr.ffi.Pointer;
import org.kexecfs.posix.Fd;

/**
 * What libfuse 2 does not know of the protocol (linux/fuse.h), put into requests on their way in and into replies on
 * their way out.
 *
 * <p>A thread answers one request at a time, so what it is answering is the thread's own.
 */
final class Completion {
    private static final int OPCODE = 4;
    private static final int NODE = 16;
    private static final int REQUEST_BODY = 40;

    private static final int FUSE_GETATTR = 3;
    private static final int FUSE_OPEN = 14;
    private static final int FUSE_RELEASE = 18;
    private static final int FUSE_INIT = 26;
    private static final int FUSE_CREATE = 35;
    private static final int FUSE_RENAME2 = 45;

    private static final int FUSE_IOCTL = 39;

    /** libfuse answers ENOSYS, which the kernel makes ENOTTY of after a FUSE_IOCTL. */
    private static final int NO_OPERATION = 0;

    private static final int REPLY_ERROR = 4;
    private static final int SIZE_OF_REPLY_HEADER = 16;
    private static final int SIZE_OF_ENTRY_OUT = 128;
    private static final int SIZE_OF_IOVEC = 16;

    private final OpenNodes nodes = new OpenNodes();
    private final Passthrough passthrough;
    private final Rename2 rename2;
    private final Validity validity;
    private final ThreadLocal<Pointer> answering = new ThreadLocal<>();
    private final ThreadLocal<OptionalLong> asked = ThreadLocal.withInitial(OptionalLong::empty);

    Completion(Passthrough passthrough, Rename2 rename2, Validity validity) {
        this.passthrough = passthrough;
        this.rename2 = rename2;
        this.validity = validity;
    }

    /** A request comes in: header and body, changed in place. */
    void request(Pointer request) {
        long node = request.getLong(NODE);
        switch (request.getInt(OPCODE)) {
            case FUSE_INIT, FUSE_OPEN, FUSE_CREATE -> answering.set(request);
            case FUSE_RELEASE -> nodes.released(node, request.getLong(REQUEST_BODY));
            case FUSE_RENAME2 -> rename2.request(request);
            case FUSE_IOCTL -> {
                if (!Ioctls.knows(request.slice(REQUEST_BODY))) {
                    request.putInt(OPCODE, NO_OPERATION);
                }
            }
            case FUSE_GETATTR -> {
                asked.set(nodes.completeGetattr(node, request.slice(REQUEST_BODY)));
                answering.set(request);
            }
            default -> {}
        }
    }

    /**
     * A reply goes out.
     *
     * @param vector struct iovec: the header, and the body if there is one
     * @param count of vectors
     * @return the vector to send
     */
    Pointer reply(Pointer vector, int count) {
        asked.get().ifPresent(nodes::answered);
        asked.remove();
        Pointer request = answering.get();
        if (request == null) {
            return vector;
        }
        answering.remove();
        boolean failed = vector.getPointer(0).getInt(REPLY_ERROR) != 0;
        if (failed || count < 2) {
            return vector;
        }
        Pointer body = vector.getPointer(SIZE_OF_IOVEC);
        long node = request.getLong(NODE);
        switch (request.getInt(OPCODE)) {
            case FUSE_GETATTR -> validity.completeGetattr(node, body);
            case FUSE_OPEN -> opened(node, body);
            case FUSE_CREATE -> opened(body.getLong(0), body.slice(SIZE_OF_ENTRY_OUT));
            case FUSE_INIT -> {
                return init(request, vector, body);
            }
            default -> throw new AssertionError("a reply to nothing that was noted");
        }
        return vector;
    }

    private void opened(long node, Pointer reply) {
        long handle = reply.getLong(0);
        nodes.opened(node, handle);
        passthrough.completeOpen(handle, reply);
    }

    private Pointer init(Pointer request, Pointer vector, Pointer body) {
        int size = (int) vector.getLong(SIZE_OF_IOVEC + 8);
        // One block, so that what the vector points to lives as long as the vector.
        Pointer block = Fd.allocate(2 * SIZE_OF_IOVEC + Passthrough.SIZE_OF_INIT_OUT);
        Pointer longer = block.slice(2 * SIZE_OF_IOVEC);
        if (!passthrough.completeInit(request.slice(REQUEST_BODY), body, size, longer)) {
            return vector;
        }
        Pointer header = vector.getPointer(0);
        header.putInt(0, SIZE_OF_REPLY_HEADER + Passthrough.SIZE_OF_INIT_OUT);
        block.putPointer(0, header);
        block.putLong(8, SIZE_OF_REPLY_HEADER);
        block.putPointer(SIZE_OF_IOVEC, longer);
        block.putLong(SIZE_OF_IOVEC + 8, Passthrough.SIZE_OF_INIT_OUT);
        return block;
    }
}
