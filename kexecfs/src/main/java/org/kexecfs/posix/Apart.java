package org.kexecfs.posix;

import static java.util.concurrent.CompletableFuture.supplyAsync;
import static org.kexecfs.posix.Libc.C;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.IntSupplier;
import java.util.stream.IntStream;
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
 * <p>Such a thread must open nothing: others would take that to be in their own table. So it makes one call, and what of ours that needs
 * is loaded before. What of the JDK it needs nobody can list: a thread that waits loads what it waits with. So the modules, and the
 * jars, which the JVM reads by the numbers that they have in its own table, are in this one too, under the same numbers.
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
        // What a call needs of ours is loaded by one that fails.
        try (ExecutorService same = Executors.newCachedThreadPool(daemons())) {
            join(same, () -> bind(-1, -1, null, 0));
            join(same, () -> C.open("", 0, 0));
            join(same, () -> C.statx(-1, "", 0, 0, Fd.allocate(SIZE_OF_STATX)));
        }
        process = Syscall.check(() -> C.pidfd_open((int) ProcessHandle.current().pid(), 0), () -> "pidfd_open(self)");
        int[] kept = IntStream.concat(
                        IntStream.of(process), Exec.ofJvm().stream().mapToInt(number -> number))
                .sorted()
                .toArray();
        try {
            thread = checked(join(first, () -> leave(kept)), "unshare(CLONE_FILES)");
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

    /**
     * The thread's table is its own from now on.
     *
     * @param kept what is in it, in ascending order
     * @return the thread's id, or -1
     */
    private static int leave(int[] kept) {
        int left = C.unshare(CLONE_FILES);
        if (left < 0) {
            return left;
        }
        int next = 0;
        for (int number : kept) {
            if (number > next) {
                C.close_range(next, number - 1, 0);
            }
            next = number + 1;
        }
        C.close_range(next, Integer.MAX_VALUE, 0);
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
        made(() -> bind(Ours.APART.process, number, address, length), "bind(" + told + ")");
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
        int number = made(() -> C.open(path, Fd.O_PATH | Fd.O_CLOEXEC, 0), "open(" + path + ")");
        try {
            // The very file, and no path is walked.
            return Fd.open("/proc/self/task/" + Ours.APART.thread + "/fd/" + number, Fd.O_PATH, 0);
        } finally {
            made(() -> C.close(number), "close(" + path + ")");
        }
    }

    /**
     * statx(2) of a path, with the filesystem asked for what is current.
     *
     * @param patience how long its server may take
     * @throws ErrnoException ENOENT, ENOTDIR, EACCES; ENOTCONN, ECONNABORTED below a FUSE mount whose server is gone; ETIMEDOUT
     *     if there is no answer in time: the thread that asks goes on waiting for it
     */
    public static void stat(String path, Duration patience) {
        Pointer status = Fd.allocate(SIZE_OF_STATX);
        String told = "stat(" + path + ")";
        try {
            int result = Ours.APART
                    .called(() -> C.statx(AT_FDCWD, path, 0, STATX_BASIC_STATS, status))
                    .get(patience.toNanos(), TimeUnit.NANOSECONDS);
            checked(result, told);
        } catch (TimeoutException e) {
            throw new ErrnoException(Errno.ETIMEDOUT, told);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new ErrnoException(Errno.EINTR, told);
        } catch (ExecutionException e) {
            throw new IllegalStateException(e);
        }
    }

    /**
     * Makes a call.
     *
     * @return what it returns
     * @throws ErrnoException with the call's errno
     */
    static int made(IntSupplier call, String told) {
        return checked(Ours.APART.called(call).join(), told);
    }

    private CompletableFuture<Integer> called(IntSupplier call) {
        // A thread has the table of the one that starts it.
        return supplyAsync(() -> supplyAsync(() -> made(call), all), first).thenCompose(result -> result);
    }

    private static int join(ExecutorService thread, IntSupplier call) {
        return supplyAsync(() -> made(call), thread).join();
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
