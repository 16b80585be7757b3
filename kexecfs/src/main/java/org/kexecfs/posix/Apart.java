package org.kexecfs.posix;

import static org.kexecfs.posix.Libc.C;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ThreadFactory;
import java.util.function.IntSupplier;
import jnr.constants.platform.linux.Errno;
import jnr.ffi.Pointer;

/**
 * Calls that ask a filesystem which this very process may serve.
 *
 * <p>Who waits for the answer of a FUSE server cannot be killed once that has read the question. A process that asks itself, and is
 * killed then, would so never end: its thread waits for an answer, which is given up only once /dev/fuse is closed, which that thread
 * has open. All who look at the mount would wait with it, for ever. So these calls are made by threads with a table of descriptors of
 * their own (unshare(2), CLONE_FILES), in which there is no /dev/fuse: the other threads end, the mount is dead, and the call fails.
 *
 * <p>Such a thread must not do anything else: what Java opens there, a jar, others would take to be theirs. So it makes one call, and
 * what that needs is loaded before.
 *
 * <p>Life cycle: the first thread is made when it is needed first, and starts the others, which have its table: as many as there are calls at a
 * time. All of them end with the process.
 */
public final class Apart {
    private static final int CLONE_FILES = 0x400;
    private static final int AT_FDCWD = -100;
    private static final int SIZE_OF_STATX = 256;
    private static final int STATX_BASIC_STATS = 0x7ff;

    private final ExecutorService first = Executors.newSingleThreadExecutor(daemons());
    private final ExecutorService all = Executors.newCachedThreadPool(daemons());

    /** This process, in the table of those threads. */
    private final int process;

    /** The first thread's id. */
    private final int thread;

    private Apart() {
        // What a call needs is loaded by one that fails.
        try (ExecutorService same = Executors.newCachedThreadPool(daemons())) {
            join(same, () -> bind(-1, -1, null, 0));
            join(same, () -> C.open("", 0, 0));
            join(same, () -> C.statx(-1, "", 0, 0, Fd.allocate(SIZE_OF_STATX)));
        }
        process = Syscall.check(() -> C.pidfd_open((int) ProcessHandle.current().pid(), 0), () -> "pidfd_open(self)");
        try {
            thread = checked(join(first, () -> leave(process)), "unshare(CLONE_FILES)");
        } finally {
            C.close(process);
        }
    }

    /** Not Apart's own: its threads wait until that class is whole. */
    private static final class Ours {
        private static final Apart APART = new Apart();

        private Ours() {}
    }

    private static ThreadFactory daemons() {
        return Thread.ofPlatform().daemon().name("apart").factory();
    }

    /** The thread's table is its own from now on, with one descriptor in it. The thread's id, or -1. */
    private static int leave(int kept) {
        int left = C.unshare(CLONE_FILES);
        if (left < 0) {
            return left;
        }
        if (kept > 0) {
            C.close_range(0, kept - 1, 0);
        }
        C.close_range(kept + 1, Integer.MAX_VALUE, 0);
        return C.gettid();
    }

    /**
     * bind(2) of a socket to a path.
     *
     * @param address struct sockaddr_un
     * @throws ErrnoException as mknod(2)
     */
    static void bind(Fd socket, Pointer address, int length, String told) {
        int number = socket.number();
        Ours.APART.call(() -> bind(Ours.APART.process, number, address, length), "bind(" + told + ")");
    }

    private static int bind(int process, int number, Pointer address, int length) {
        int socket = C.pidfd_getfd(process, number, 0);
        if (socket < 0) {
            return socket;
        }
        int result = C.bind(socket, address, length);
        int errno = Libc.RUNTIME.getLastError();
        C.close(socket);
        Libc.RUNTIME.setLastError(errno);
        return result;
    }

    /**
     * Opens a file for use as a path (open(2), O_PATH).
     *
     * @throws ErrnoException ENOENT, ENOTDIR, EACCES; ENOTCONN, ECONNABORTED below a FUSE mount whose server is gone
     */
    public static Fd open(String path) {
        int number = Ours.APART.call(() -> C.open(path, Fd.O_PATH | Fd.O_CLOEXEC, 0), "open(" + path + ")");
        try {
            // The very file, and no path is walked.
            return Fd.open("/proc/self/task/" + Ours.APART.thread + "/fd/" + number, Fd.O_PATH, 0);
        } finally {
            Ours.APART.call(() -> C.close(number), "close(" + path + ")");
        }
    }

    /**
     * statx(2) of a path, with the filesystem asked for what is current.
     *
     * @throws ErrnoException ENOENT, ENOTDIR, EACCES; ENOTCONN, ECONNABORTED below a FUSE mount whose server is gone
     */
    public static void stat(String path) {
        Pointer status = Fd.allocate(SIZE_OF_STATX);
        Ours.APART.call(() -> C.statx(AT_FDCWD, path, 0, STATX_BASIC_STATS, status), "stat(" + path + ")");
    }

    private int call(IntSupplier call, String told) {
        // A thread has the table of the one that starts it.
        CompletableFuture<Integer> result = new CompletableFuture<>();
        first.execute(() -> all.execute(() -> result.complete(made(call))));
        return checked(result.join(), told);
    }

    private static int join(ExecutorService thread, IntSupplier call) {
        CompletableFuture<Integer> result = new CompletableFuture<>();
        thread.execute(() -> result.complete(made(call)));
        return result.join();
    }

    private static int checked(int result, String told) {
        if (result < 0) {
            throw ErrnoException.of(-result, told);
        }
        return result;
    }

    /** What it returns, or -errno. */
    private static int made(IntSupplier call) {
        while (true) {
            int result = call.getAsInt();
            if (result >= 0) {
                return result;
            }
            int errno = Libc.RUNTIME.getLastError();
            if (errno != Errno.EINTR.intValue()) {
                return -errno;
            }
        }
    }
}
