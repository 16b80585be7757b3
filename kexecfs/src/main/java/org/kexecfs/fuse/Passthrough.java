package org.kexecfs.fuse;

import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.locks.ReentrantLock;
import jnr.constants.platform.linux.Errno;
import jnr.ffi.Pointer;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.session.OpenFile;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * FUSE passthrough (Documentation/filesystems/fuse/fuse-passthrough.rst): reads, writes and mappings of an open file go to
 * the memory behind it in the kernel, and never come here.
 *
 * <p>libfuse 2 knows nothing of it, so its replies are completed on their way out:
 *
 * <ol>
 *   <li>FUSE_INIT: the kernel offers it; the reply is made as long as today's and accepts.
 *   <li>FUSE_OPEN, FUSE_CREATE: the file's memory is registered with the kernel, and the reply carries its number. All opens
 *       of a file must carry the same, so it is kept for as long as one of them lasts.
 * </ol>
 *
 * <p>Where the kernel does not offer it, or we have no CAP_SYS_ADMIN, no open is completed, and bytes go through {@link
 * OpenFiles}. The kernel offers it to those without that right, too, so it is tried once, when it is first asked for.
 *
 * <p>{@code lock} guards the maps; nothing else is locked under it.
 */
final class Passthrough {
    private static final Logger log = LoggerFactory.getLogger(Passthrough.class);

    /** FUSE_DEV_IOC_BACKING_OPEN, of {s32 fd; u32 flags; u64 padding} (linux/fuse.h). */
    private static final long BACKING_OPEN = 0x4010e501L;

    /** FUSE_DEV_IOC_BACKING_CLOSE, of a u32. */
    private static final long BACKING_CLOSE = 0x4004e502L;

    /** struct fuse_init_out, as long as it is since FUSE 7.36. */
    static final int SIZE_OF_INIT_OUT = 64;

    private static final int FUSE_INIT_EXT = 1 << 30;
    private static final int FLAGS2_PASSTHROUGH = 1 << 5;

    private static final int INIT_IN_FLAGS = 12;
    private static final int INIT_IN_FLAGS2 = 16;

    private static final int INIT_OUT_MINOR = 4;

    /** To the kernel, libfuse 2 is of 7.19, and is asked for no renameat2(2) before 7.23; nothing else lies between. */
    private static final int MINOR_OF_RENAME2 = 23;

    private static final int INIT_OUT_FLAGS = 12;
    private static final int INIT_OUT_FLAGS2 = 32;
    private static final int INIT_OUT_MAX_STACK_DEPTH = 36;

    private static final int OPEN_OUT_FLAGS = 8;
    private static final int OPEN_OUT_BACKING_ID = 12;
    private static final int FOPEN_DIRECT_IO = 1;
    private static final int FOPEN_NOFLUSH = 1 << 5;
    private static final int FOPEN_PASSTHROUGH = 1 << 7;

    /** Memory that the kernel knows by a number, and how many open files use it. */
    private static final class Backing {
        private final long token;
        private final int id;
        private int users;

        private Backing(long token, int id) {
            this.token = token;
            this.id = id;
        }
    }

    /** How an open file is passed through. */
    private record Use(Backing backing, boolean mappingsOnly, boolean tellsOfClose) {}

    private final Fd device;
    private final ReentrantLock lock = new ReentrantLock();
    private final Map<Long, Backing> byToken = new HashMap<>();
    private final Map<Long, Use> byHandle = new HashMap<>();
    private Kernel kernel = Kernel.OFFERS_NOTHING;

    /** What is known of the kernel. */
    private enum Kernel {
        OFFERS_NOTHING,
        OFFERS_IT,
        REFUSES_IT_TO_US,
        PASSES_FILES
    }

    Passthrough(Fd device) {
        this.device = device;
    }

    /**
     * Whether the kernel passes open files through; to be asked once requests come, for then it has its FUSE_INIT reply.
     *
     * @throws ErrnoException EMFILE, ENOMEM: it cannot be found out now
     */
    boolean isOn() {
        lock.lock();
        try {
            if (kernel == Kernel.OFFERS_IT) {
                kernel = tried();
            }
            return kernel == Kernel.PASSES_FILES;
        } finally {
            lock.unlock();
        }
    }

    private Kernel tried() {
        try (Fd memory = Fd.memfd("kexecfs-passthrough")) {
            unregister(register(memory));
            return Kernel.PASSES_FILES;
        } catch (ErrnoException e) {
            if (!e.is(Errno.EPERM)) {
                throw e;
            }
            log.warn("no passthrough without CAP_SYS_ADMIN: bytes go through this process");
            return Kernel.REFUSES_IT_TO_US;
        }
    }

    /**
     * Passes an open file through, if the kernel does.
     *
     * @param handle the open file
     * @param file opens of one entry share what the kernel keeps of it. If it is guarded, mmap(2) goes to the memory, but
     *     reads and writes come to us
     * @throws ErrnoException EMFILE, ENOMEM and others of the registration
     */
    void open(long handle, OpenFile file) {
        lock.lock();
        try {
            if (!isOn()) {
                return;
            }
            long token = file.token();
            Backing backing = byToken.get(token);
            if (backing == null) {
                backing = new Backing(token, register(file.file()));
                byToken.put(token, backing);
            }
            backing.users++;
            byHandle.put(handle, new Use(backing, file.isGuarded(), file.awaitsLuo()));
        } finally {
            lock.unlock();
        }
    }

    private int register(Fd memory) {
        Pointer map = Fd.allocate(16);
        map.putInt(0, memory.number());
        return device.ioctl(BACKING_OPEN, map, "FUSE_DEV_IOC_BACKING_OPEN");
    }

    /** The open file is closed. */
    void closed(long handle) {
        lock.lock();
        try {
            Use use = byHandle.remove(handle);
            if (use != null && --use.backing().users == 0) {
                byToken.remove(use.backing().token);
                unregister(use.backing().id);
            }
        } finally {
            lock.unlock();
        }
    }

    private void unregister(int id) {
        Pointer argument = Fd.allocate(4);
        argument.putInt(0, id);
        try {
            device.ioctl(BACKING_CLOSE, argument, "FUSE_DEV_IOC_BACKING_CLOSE");
        } catch (ErrnoException e) {
            // ENODEV and the like: the mount has ended, and its numbers with it.
            log.debug("{}", e.getMessage());
        }
    }

    /**
     * Completes the reply to FUSE_INIT.
     *
     * @param request its body
     * @param reply the body of libfuse's reply
     * @param size bytes of it
     * @param longer {@link #SIZE_OF_INIT_OUT} zeroed bytes: becomes a body that accepts passthrough
     * @return false if the kernel does not offer it
     */
    boolean completeInit(Pointer request, Pointer reply, int size, Pointer longer) {
        boolean offered = (request.getInt(INIT_IN_FLAGS) & FUSE_INIT_EXT) != 0
                && (request.getInt(INIT_IN_FLAGS2) & FLAGS2_PASSTHROUGH) != 0;
        if (!offered) {
            return false;
        }
        byte[] body = new byte[Math.min(size, SIZE_OF_INIT_OUT)];
        reply.get(0, body, 0, body.length);
        longer.put(0, body, 0, body.length);
        longer.putInt(INIT_OUT_MINOR, MINOR_OF_RENAME2);
        longer.putInt(INIT_OUT_FLAGS, longer.getInt(INIT_OUT_FLAGS) | FUSE_INIT_EXT);
        longer.putInt(INIT_OUT_FLAGS2, FLAGS2_PASSTHROUGH);
        longer.putInt(INIT_OUT_MAX_STACK_DEPTH, 1);
        offered();
        return true;
    }

    private void offered() {
        lock.lock();
        try {
            kernel = Kernel.OFFERS_IT;
        } finally {
            lock.unlock();
        }
    }

    /**
     * Completes the reply to FUSE_OPEN or FUSE_CREATE.
     *
     * @param handle the open file
     * @param reply struct fuse_open_out, changed in place
     */
    void completeOpen(long handle, Pointer reply) {
        Use use;
        lock.lock();
        try {
            use = byHandle.get(handle);
        } finally {
            lock.unlock();
        }
        if (use != null) {
            // Nothing is cached, so only LUO is to be waited for at a close; others never hang in one if the server
            // dies.
            int flags = reply.getInt(OPEN_OUT_FLAGS) | FOPEN_PASSTHROUGH | (use.tellsOfClose() ? 0 : FOPEN_NOFLUSH);
            reply.putInt(OPEN_OUT_FLAGS, use.mappingsOnly() ? flags : flags & ~FOPEN_DIRECT_IO);
            reply.putInt(OPEN_OUT_BACKING_ID, use.backing().id);
        }
    }
}
