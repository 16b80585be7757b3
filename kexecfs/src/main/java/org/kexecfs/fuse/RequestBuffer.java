package org.kexecfs.fuse;

import java.util.concurrent.LinkedBlockingDeque;
import jnr.ffi.Memory;
import jnr.ffi.Pointer;
import jnr.ffi.Runtime;
import org.kexecfs.posix.Fd;

/**
 * Memory for one request, lent to who serves one: what was given back last is lent first, so that of a thousand mounts few
 * buffers are ever touched.
 */
final class RequestBuffer implements AutoCloseable {
    /** How many are kept for later. */
    private static final int MOST_KEPT = 16;

    private static final int SIZE_OF_FUSE_BUF = 40;
    private static final int FUSE_BUF_MEMORY = 16;

    private static final LinkedBlockingDeque<RequestBuffer> KEPT = new LinkedBlockingDeque<>(MOST_KEPT);

    private final Pointer request;
    private final Pointer described;

    private RequestBuffer() {
        this.request = Memory.allocateDirect(Runtime.getSystemRuntime(), FuseChannel.BUFFER_SIZE, false);
        this.described = Fd.allocate(SIZE_OF_FUSE_BUF);
        described.putPointer(FUSE_BUF_MEMORY, request);
    }

    static RequestBuffer borrow() {
        RequestBuffer kept = KEPT.pollFirst();
        return kept == null ? new RequestBuffer() : kept;
    }

    /** {@link FuseChannel#BUFFER_SIZE} bytes. */
    Pointer request() {
        return request;
    }

    /** The request has so many bytes. */
    void size(long bytes) {
        described.putLong(0, bytes);
    }

    /** The same memory as libfuse takes it: struct fuse_buf, {size; flags; mem; fd; pos}. */
    Pointer described() {
        return described;
    }

    /** Gives it back. */
    @Override
    public void close() {
        // With no room left it is the garbage collector's.
        KEPT.offerFirst(this);
    }
}
