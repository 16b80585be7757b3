package org.kexecfs.fuse;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import jnr.constants.platform.linux.Errno;
import jnr.ffi.Memory;
import jnr.ffi.Pointer;
import jnr.ffi.Runtime;
import org.kexecfs.posix.Epoll;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.NativeCallback;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The way between the kernel and libfuse: requests are read from /dev/fuse here, given to libfuse, and its
 * replies written back here.
 *
 * <p>Life cycle:
 *
 * <ol>
 *   <li>{@link #start}: libfuse is told of the operations and of this channel; {@link Workers} wait for requests.
 *   <li>A thread reads a request, lets others wait for the next, and hands it to libfuse, which calls an operation on the same
 *       thread and replies through {@link #send}. The first request is FUSE_INIT. Of a mount whose operations do not return,
 *       only so many requests are taken: the others wait in the kernel, and the threads are there for other mounts.
 *   <li>The mount ends (umount, or the connection is aborted): read(2) gives ENODEV, nobody waits any more, and with the last
 *       request that is under way {@link #ended} completes.
 *   <li>{@link #close} frees what libfuse holds. Poll handles must not be used after it.
 * </ol>
 *
 * <p>No locks: {@code users} says who has the channel, which are the wait for a request, and each request.
 */
final class FuseChannel implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(FuseChannel.class);

    /** Largest write in one request, and libfuse's own allowance for a request's headers. */
    static final int BUFFER_SIZE = 128 * 1024 + 0x1000;

    private static final int SIZE_OF_CHAN_OPS = 24;

    /** Who answers the requests of one channel. */
    interface Filesystem {
        /** What libfuse calls; the same for all channels with such a filesystem. */
        FuseOperations operations();

        /** Runs {@code request}, in which libfuse calls operations, on this thread: they are this filesystem's to answer. */
        void serving(Runnable request);
    }

    private final LibFuse fuse = LibFuse.load();
    private final Runtime runtime = LibFuse.runtime();
    private final Fd device;
    private final Filesystem filesystem;
    private final List<Object> callbacks = new ArrayList<>();
    private final Pointer channel;
    private final Pointer instance;
    private final Pointer session;
    private final Completion completion;
    private final Workers.Watch requests;
    private final int mostUsers;
    private final AtomicInteger users = new AtomicInteger(1);
    private final CompletableFuture<Void> ended = new CompletableFuture<>();

    private FuseChannel(
            Fd device, Filesystem filesystem, Completion completion, List<String> options, int mostRequests) {
        this.device = device;
        this.completion = completion;
        this.filesystem = filesystem;
        this.mostUsers = mostRequests + 1;
        this.requests = Workers.ofThisProcess().watch(device, Epoll.IN, this::ready);
        this.channel = fuse.fuse_chan_new(Callbacks.OPERATIONS, device.number(), BUFFER_SIZE, null);
        Callbacks.CHANNELS.put(channel.address(), this);
        this.instance = SpliceKey.leaveOut(fuse, () -> create(options));
        if (instance == null) {
            Callbacks.CHANNELS.remove(channel.address());
            throw new ErrnoException(Errno.EIO, "libfuse refuses the options " + options);
        }
        this.session = fuse.fuse_get_session(instance);
    }

    private Pointer create(List<String> options) {
        return fuse.fuse_new(
                channel,
                fuseArgs(List.of("kexecfs", "-o", String.join(",", options))),
                filesystem.operations().memory(),
                FuseOperations.SIZE,
                null);
    }

    /**
     * Begins to serve.
     *
     * @param device /dev/fuse, opened with O_NONBLOCK, the one that the mount was made with; the caller's to close, after the channel
     * @param filesystem who answers
     * @param completion what is put into requests and replies on their way
     * @param options libfuse's, one a string
     * @param mostRequests how many are served at once, 1 or more
     */
    static FuseChannel start(
            Fd device, Filesystem filesystem, Completion completion, List<String> options, int mostRequests) {
        FuseChannel channel = new FuseChannel(device, filesystem, completion, options, mostRequests);
        channel.requests.arm();
        return channel;
    }

    /** Completes when the mount has ended and no request is under way, on the thread that had the last. */
    CompletableFuture<Void> ended() {
        return ended;
    }

    /** Waits for the end of the mount, however often this thread is interrupted, and frees what libfuse holds. */
    @Override
    public void close() {
        ended.join();
        Callbacks.CHANNELS.remove(channel.address());
        fuse.fuse_destroy(instance);
    }

    /** One request, if there is one. */
    private void ready() {
        try (RequestBuffer buffer = RequestBuffer.borrow()) {
            OptionalLong size = receive(buffer);
            if (size.isPresent()) {
                serve(buffer, size.getAsLong());
            }
        }
    }

    private void serve(RequestBuffer buffer, long size) {
        if (users.incrementAndGet() < mostUsers) {
            requests.arm();
        }
        try {
            buffer.size(size);
            completion.request(buffer.request());
            filesystem.serving(() -> fuse.fuse_session_process_buf(session, buffer.described(), channel));
        } finally {
            leave();
        }
    }

    /** One user less: with all requests taken that were allowed, nobody waited; with the last one, the channel has ended. */
    private void leave() {
        int before = users.getAndDecrement();
        if (before == mostUsers) {
            requests.arm();
        }
        if (before == 1) {
            ended.complete(null);
        }
    }

    /** Reads the next request, or sees to it that the wait goes on, or to the end. */
    private OptionalLong receive(RequestBuffer buffer) {
        try {
            return OptionalLong.of(device.read(buffer.request(), BUFFER_SIZE));
        } catch (ErrnoException e) {
            // ENOENT: the request was interrupted before anyone read it.
            if (e.is(Errno.EAGAIN, Errno.ENOENT)) {
                requests.arm();
                return OptionalLong.empty();
            }
            if (!e.is(Errno.ENODEV)) {
                log.error("the mount cannot be served any longer", e);
            }
            requests.remove();
            leave();
            return OptionalLong.empty();
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

    /**
     * struct fuse_chan_ops {receive, send, destroy}: that of all channels, for each callback is native code of its own. receive is
     * never called, for requests are read here.
     */
    private static final class Callbacks {
        private static final Map<Long, FuseChannel> CHANNELS = new ConcurrentHashMap<>();
        private static final Pointer OPERATIONS = make();

        private Callbacks() {}

        private static Pointer make() {
            Pointer table = Memory.allocateDirect(LibFuse.runtime(), SIZE_OF_CHAN_OPS, true);
            table.putPointer(0, NativeCallback.code(never -> -Errno.EIO.intValue()));
            table.putPointer(8, NativeCallback.code(Callbacks::send));
            table.putPointer(16, NativeCallback.code(channel -> 0));
            return table;
        }

        /** (channel, struct iovec *, count): 0 or -errno. */
        private static int send(NativeCallback.Arguments given) {
            return CHANNELS.get(given.word(0)).send(given.pointer(1), given.word(2));
        }
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
