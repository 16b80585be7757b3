package org.kexecfs.fuse;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import jnr.constants.platform.linux.Errno;
import jnr.ffi.Memory;
import jnr.ffi.Pointer;
import jnr.ffi.Runtime;
import jnr.ffi.Struct;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The way between the kernel and libfuse: requests are read from /dev/fuse here, given to libfuse, and its
 * replies written back here.
 *
 * <p>Life cycle:
 *
 * <ol>
 *   <li>{@link #start}: libfuse is told of the operations and of this channel; threads begin to read.
 *   <li>Each thread reads a request and hands it to libfuse, which calls an operation on the same thread and
 *       replies through {@link #send}. The first request is FUSE_INIT.
 *   <li>The mount ends (umount, or the connection is aborted): read(2) gives ENODEV, each thread ends, and
 *       {@link #awaitEnd} returns.
 *   <li>{@link #close} frees what libfuse holds. Poll handles must not be used after it.
 * </ol>
 */
final class FuseChannel implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(FuseChannel.class);

    /** Largest write in one request, and libfuse's own allowance for a request's headers. */
    private static final int BUFFER_SIZE = 128 * 1024 + 0x1000;

    private static final int SIZE_OF_FUSE_BUF = 40;
    private static final int SIZE_OF_CHAN_OPS = 24;
    private static final int STACK_SIZE = 512 * 1024;

    private final LibFuse fuse = LibFuse.load();
    private final Runtime runtime = LibFuse.runtime();
    private final Fd device;
    private final FuseOperations operations;
    private final List<Object> callbacks = new ArrayList<>();
    private final Pointer channel;
    private final Pointer instance;
    private final Pointer session;
    private final Completion completion;
    private final CountDownLatch readers;

    private FuseChannel(
            Fd device, FuseOperations operations, Completion completion, List<String> options, int threads) {
        this.device = device;
        this.completion = completion;
        this.operations = operations;
        this.readers = new CountDownLatch(threads);
        this.channel = fuse.fuse_chan_new(channelOperations(), device.number(), BUFFER_SIZE, null);
        this.instance = LibFuse.fuseNew()
                .create(
                        channel,
                        fuseArgs(List.of("kexecfs", "-o", String.join(",", options))),
                        Struct.getMemory(operations),
                        Struct.size(operations),
                        null);
        if (instance == null) {
            throw new ErrnoException(Errno.EIO, "libfuse refuses the options " + options);
        }
        this.session = fuse.fuse_get_session(instance);
    }

    /**
     * Begins to serve.
     *
     * @param device /dev/fuse, opened, the one that the mount was made with; the caller's to close, after the channel
     * @param completion what is put into requests and replies on their way
     * @param options libfuse's, one a string
     * @param threads how many requests are served at once, 1 or more
     */
    static FuseChannel start(
            Fd device, FuseOperations operations, Completion completion, List<String> options, int threads) {
        FuseChannel channel = new FuseChannel(device, operations, completion, options, threads);
        for (int i = 0; i < threads; i++) {
            Thread thread = new Thread(null, channel::serve, "fuse-" + i, STACK_SIZE);
            thread.setDaemon(true);
            thread.start();
        }
        return channel;
    }

    /** Waits until the mount has ended and no request is under way. */
    void awaitEnd() throws InterruptedException {
        readers.await();
    }

    /** Whether the mount has ended and no request is under way. */
    boolean hasEnded() {
        return readers.getCount() == 0;
    }

    /**
     * {@link #awaitEnd()}, but not for longer than {@code patience}.
     *
     * @return whether it has ended; an interrupt, which is kept, ends the wait, too
     */
    boolean awaitEnd(Duration patience) {
        try {
            return readers.await(patience.toMillis(), TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return hasEnded();
        }
    }

    /** Waits for the end of the mount, however often this thread is interrupted, and frees what libfuse holds. */
    @Override
    public void close() {
        boolean interrupted = Thread.interrupted();
        while (!hasEnded()) {
            try {
                readers.await();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        fuse.fuse_destroy(instance);
    }

    private void serve() {
        Pointer request = Memory.allocateDirect(runtime, BUFFER_SIZE);
        Pointer buffer = Memory.allocateDirect(runtime, SIZE_OF_FUSE_BUF, true);
        buffer.putPointer(16, request);
        try {
            while (true) {
                long size = receive(request);
                if (size == 0) {
                    return;
                }
                buffer.putLong(0, size);
                completion.request(request);
                fuse.fuse_session_process_buf(session, buffer, channel);
            }
        } finally {
            readers.countDown();
        }
    }

    /** The next request's size; 0 once the mount has ended. */
    private long receive(Pointer request) {
        while (true) {
            try {
                return device.read(request, BUFFER_SIZE);
            } catch (ErrnoException e) {
                if (e.is(Errno.ENODEV)) {
                    return 0;
                }
                // ENOENT: the request was interrupted before anyone read it.
                if (!e.is(Errno.ENOENT, Errno.EAGAIN)) {
                    log.error("the mount cannot be served any longer", e);
                    return 0;
                }
            }
        }
    }

    private int send(Pointer vector, long count) {
        try {
            device.writev(completion.reply(vector, (int) count), (int) count);
            return 0;
        } catch (ErrnoException e) {
            // ENOENT: whoever asked was interrupted, or the mount has ended.
            return -e.errno().intValue();
        }
    }

    private Pointer channelOperations() {
        LibFuse.Receive receive = (channel, buffer, size) -> -Errno.EIO.intValue();
        LibFuse.Send send = (channel, vector, count) -> send(vector, count);
        LibFuse.Destroy destroy = channel -> {};
        Pointer table = Memory.allocateDirect(runtime, SIZE_OF_CHAN_OPS, true);
        table.putPointer(0, callback(LibFuse.Receive.class, receive));
        table.putPointer(8, callback(LibFuse.Send.class, send));
        table.putPointer(16, callback(LibFuse.Destroy.class, destroy));
        callbacks.add(table);
        return table;
    }

    private <T> Pointer callback(Class<T> type, T callback) {
        callbacks.add(callback);
        return runtime.getClosureManager().getClosurePointer(type, callback);
    }

    /** struct fuse_args: {int argc; char **argv; int allocated}. */
    private Pointer fuseArgs(List<String> arguments) {
        Pointer vector = Memory.allocateDirect(runtime, 8 * (arguments.size() + 1), true);
        callbacks.add(vector);
        for (int i = 0; i < arguments.size(); i++) {
            byte[] text = Fd.utf8(arguments.get(i));
            Pointer string = Memory.allocateDirect(runtime, text.length + 1, true);
            string.put(0, text, 0, text.length);
            callbacks.add(string);
            vector.putPointer(8L * i, string);
        }
        Pointer args = Memory.allocateDirect(runtime, 24, true);
        callbacks.add(args);
        args.putInt(0, arguments.size());
        args.putPointer(8, vector);
        return args;
    }
}
