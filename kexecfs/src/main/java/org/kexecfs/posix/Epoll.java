package org.kexecfs.posix;

import static org.kexecfs.posix.Libc.C;
import static org.kexecfs.posix.Syscall.check;
import static org.kexecfs.posix.Syscall.failed;
import static org.kexecfs.posix.Syscall.isInterrupted;

import java.util.ArrayList;
import java.util.List;
import jnr.ffi.Platform;
import jnr.ffi.Pointer;

/**
 * A set of descriptors to wait for (epoll(7)). Safe for use by several threads; of those that wait for the same set, one is
 * woken for each descriptor, the one that began to wait last.
 */
public final class Epoll implements AutoCloseable {
    public static final int IN = 0x001;
    public static final int PRI = 0x002;

    /** Told once, and not again before {@link Member#modify}. */
    public static final int ONESHOT = 1 << 30;

    private static final int EPOLL_CLOEXEC = 0x80000;
    private static final int EPOLL_CTL_ADD = 1;
    private static final int EPOLL_CTL_DEL = 2;
    private static final int EPOLL_CTL_MOD = 3;

    /** struct epoll_event {u32 events; u64 data}: packed on x86-64, and there only. */
    private static final int DATA = Platform.getNativePlatform().getCPU() == Platform.CPU.X86_64 ? 4 : 8;

    private static final int SIZE_OF_EVENT = DATA + 8;

    private final Fd fd;

    /** An empty set (epoll_create1(2)). */
    public Epoll() {
        this.fd = Fd.own(check(() -> C.epoll_create1(EPOLL_CLOEXEC), () -> "epoll_create1"));
    }

    /** A descriptor that may be in the set. It stays there, if it is closed here, while anybody has its open file. */
    public final class Member {
        private final Fd file;
        private final Pointer event;

        private Member(Fd file, int events, long key) {
            this.file = file;
            this.event = Fd.allocate(SIZE_OF_EVENT);
            event.putInt(0, events);
            event.putLong(DATA, key);
        }

        /**
         * Puts it into the set.
         *
         * @throws ErrnoException EEXIST if it is there; EPERM for a file that cannot be waited for; ENOSPC past
         *     /proc/sys/fs/epoll/max_user_watches
         */
        public void add() {
            control(EPOLL_CTL_ADD);
        }

        /** What is there now is told of again, and what comes: ENOENT if it is not in the set. */
        public void modify() {
            control(EPOLL_CTL_MOD);
        }

        /** Takes it out of the set: ENOENT if it is not there. A thread that was told of it just before may still act on that. */
        public void remove() {
            control(EPOLL_CTL_DEL);
        }

        private void control(int operation) {
            int result;
            do {
                result = C.epoll_ctl(fd.number(), operation, file.number(), event);
            } while (isInterrupted(result));
            if (result < 0) {
                throw failed("epoll_ctl(" + file + ")");
            }
        }
    }

    /**
     * Prepares a descriptor for the set.
     *
     * @param events {@link #IN}, {@link #PRI}, {@link #ONESHOT}; errors and hang-ups are told of anyway
     * @param key what {@link Waiter#await} returns for it, 0 or more
     */
    public Member member(Fd file, int events, long key) {
        return new Member(file, events, key);
    }

    /** What one thread needs to wait. */
    public final class Waiter {
        private final int most;
        private final Pointer events;

        private Waiter(int most) {
            this.most = most;
            this.events = Fd.allocate(most * SIZE_OF_EVENT);
        }

        /**
         * Waits for one (epoll_wait(2)).
         *
         * @param timeout as for {@link #await}
         * @return its key, or -1 when the time is over
         */
        public long awaitOne(int timeout) {
            int count;
            do {
                count = C.epoll_wait(fd.number(), events, 1, timeout);
            } while (isInterrupted(count));
            if (count < 0) {
                throw failed("epoll_wait");
            }
            return count == 0 ? -1 : events.getLong(DATA);
        }

        /**
         * Waits (epoll_wait(2)).
         *
         * @param timeout milliseconds, or {@link Poll#FOREVER}
         * @return keys of those that something happened to; empty when the time is over
         */
        public List<Long> await(int timeout) {
            int count = check(() -> C.epoll_wait(fd.number(), events, most, timeout), () -> "epoll_wait");
            List<Long> keys = new ArrayList<>(count);
            for (int i = 0; i < count; i++) {
                keys.add(events.getLong((long) SIZE_OF_EVENT * i + DATA));
            }
            return keys;
        }
    }

    /**
     * Prepares a thread to wait.
     *
     * @param most how many it wants to be told of at once, 1 or more
     */
    public Waiter waiter(int most) {
        return new Waiter(most);
    }

    /** The set itself, as something to wait for: it can be read from while something happened to a member. */
    public Fd fd() {
        return fd;
    }

    @Override
    public void close() {
        fd.close();
    }
}
