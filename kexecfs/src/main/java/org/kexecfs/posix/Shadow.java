package org.kexecfs.posix;

import static org.kexecfs.posix.Libc.C;
import static org.kexecfs.posix.Syscall.check;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import jnr.constants.platform.linux.Errno;
import jnr.ffi.Pointer;

/**
 * A process that shares this process's table of descriptors (clone(2), CLONE_FILES), and does nothing: what we open it has open, and
 * what we close is closed, the moment that the system call returns. So what is in the table is lost only if both are killed.
 * It has memory of its own, what ours was when it began (copy on write), for whatever kills a process for its
 * memory's sake kills all that share it.
 *
 * <p>It is in sigsuspend(2) with all signals blocked: only SIGKILL ends it. It is one thread, and called {@value #NAME}.
 *
 * <p>Life cycle: {@link #start}; {@link #end}, or somebody else's SIGKILL, after which {@link #ended} is ready and {@link #end}
 * still to be called. If this process ends before, in whatever way, it goes on.
 */
public final class Shadow {
    /** What /proc calls it. */
    public static final String NAME = "shadow";

    private static final int CLONE_FILES = 0x400;
    private static final int CLONE_PARENT_SETTID = 0x100000;
    private static final int SIGKILL = 9;
    private static final int SIGCHLD = 17;
    private static final int STACK = 16 * 1024;
    private static final int ALIGNMENT = 16;
    /** More than any libc's sigset_t takes. */
    private static final int SIZE_OF_SIGSET = 128;

    private final Pidfd process;

    private Shadow(Pidfd process) {
        this.process = process;
    }

    /**
     * Makes it.
     *
     * @param pids where its number is noted
     * @param index of that: set by the kernel before the process runs, and before anything can end us
     * @throws ErrnoException EAGAIN, ENOMEM, EMFILE: there is none
     */
    public static Shadow start(SharedInts pids, int index) {
        Pointer everySignal = Fd.allocate(SIZE_OF_SIGSET);
        everySignal.setMemory(0, SIZE_OF_SIGSET, (byte) 0xff);
        Pointer stack = Fd.allocate(STACK);
        Pointer top = stack.slice(STACK - ALIGNMENT - stack.address() % ALIGNMENT);
        long wait = C.dlsym(null, "sigsuspend");
        int flags = CLONE_FILES | CLONE_PARENT_SETTID | SIGCHLD;
        // All before it is ready: what the kernel cannot write it leaves out.
        pids.set(index, 0);
        int pid = named(() -> check(() -> C.clone(wait, top, flags, everySignal, pids.at(index)), () -> "clone"));
        try {
            return new Shadow(Pidfd.open(pid));
        } catch (ErrnoException e) {
            // Nobody would ever end it, and what we close it would have open.
            check(() -> C.kill(pid, SIGKILL), () -> "kill(" + pid + ")");
            reap(pid);
            throw e;
        }
    }

    /** A process is called what the thread was that made it. */
    private static int named(java.util.function.IntSupplier clone) {
        CompletableFuture<Integer> pid = new CompletableFuture<>();
        try {
            Thread.ofPlatform().name(NAME).start(() -> {
                try {
                    pid.complete(clone.getAsInt());
                } catch (ErrnoException e) {
                    pid.completeExceptionally(e);
                }
            });
        } catch (OutOfMemoryError e) {
            throw new ErrnoException(Errno.EAGAIN, "no thread can be started, to start a shadow: " + e.getMessage());
        }
        try {
            return pid.join();
        } catch (CompletionException e) {
            throw e.getCause() instanceof ErrnoException failure ? failure : e;
        }
    }

    /** Ready (POLLIN) once it has ended. */
    public Fd ended() {
        return process.ended();
    }

    /** Ends it, if it has not ended, and returns when it has: what is closed after that is closed. */
    public void end() {
        process.kill();
        reap(process.pid());
        process.close();
    }

    private static void reap(int pid) {
        Pointer status = Fd.allocate(4);
        check(() -> C.waitpid(pid, status, 0), () -> "waitpid(" + pid + ")");
    }
}
