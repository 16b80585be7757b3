package org.kexecfs.posix;

import static org.kexecfs.posix.Libc.C;
import static org.kexecfs.posix.Syscall.checkLong;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import jnr.constants.platform.linux.Errno;
import jnr.ffi.Pointer;

/**
 * Messages over a socket, with a descriptor beside the bytes (sendmsg(2), recvmsg(2), SCM_RIGHTS). Not thread-safe: it is
 * one piece of memory, used again for each.
 */
public final class Messages {
    private static final int SIZE_OF_MSGHDR = 56;
    private static final int SIZE_OF_IOVEC = 16;
    private static final int CONTROL = SIZE_OF_MSGHDR + SIZE_OF_IOVEC;
    private static final int SIZE_OF_CONTROL = 24;
    private static final int DATA = CONTROL + SIZE_OF_CONTROL;
    private static final int LENGTH_OF_ONE = 20;
    private static final int SIZE_OF_CMSGHDR = 16;

    private static final int SOL_SOCKET = 1;
    private static final int SCM_RIGHTS = 1;
    private static final int MSG_PEEK = 0x2;
    private static final int MSG_CTRUNC = 0x8;
    private static final int MSG_TRUNC = 0x20;
    private static final int MSG_NOSIGNAL = 0x4000;
    private static final int MSG_CMSG_CLOEXEC = 0x40000000;

    /**
     * A message that came.
     *
     * @param bytes what it says, as much as there was room for
     * @param files the descriptors that came with it, ours to close: up to two
     * @param whole whether nothing was cut off, neither bytes nor descriptors
     */
    public record Message(byte[] bytes, List<Fd> files, boolean whole) {}

    private final int longest;
    private final Pointer memory;

    /**
     * @param longest bytes that a message may have
     */
    public Messages(int longest) {
        this.longest = longest;
        this.memory = Fd.allocate(DATA + longest);
    }

    /**
     * The next message.
     *
     * @return empty if there is none now, and the socket does not wait
     * @throws ErrnoException EPIPE if the other side has closed, and all that it sent was received
     */
    public Optional<Message> receive(Fd socket) {
        return receive(socket, 0);
    }

    /**
     * {@link #receive}, but that it is the next message still, until {@link #drop}. Its descriptors are ours to close each time.
     */
    public Optional<Message> peek(Fd socket) {
        return receive(socket, MSG_PEEK);
    }

    /** Takes the next message away, and its descriptors with it. */
    public void drop(Fd socket) {
        prepare(0, 0);
        receiveInto(socket, 0);
    }

    private Optional<Message> receive(Fd socket, int flags) {
        prepare(longest, SIZE_OF_CONTROL);
        long length;
        try {
            length = receiveInto(socket, flags);
        } catch (ErrnoException e) {
            if (e.is(Errno.EAGAIN)) {
                return Optional.empty();
            }
            throw e;
        }
        List<Fd> files = files();
        if (length == 0 && files.isEmpty()) {
            throw new ErrnoException(Errno.EPIPE, "the other side has closed");
        }
        byte[] bytes = new byte[(int) length];
        memory.get(DATA, bytes, 0, bytes.length);
        return Optional.of(new Message(bytes, files, (memory.getInt(48) & (MSG_TRUNC | MSG_CTRUNC)) == 0));
    }

    private long receiveInto(Fd socket, int flags) {
        try {
            return checkLong(() -> C.recvmsg(socket.number(), memory, flags | MSG_CMSG_CLOEXEC), () -> "recvmsg");
        } catch (ErrnoException e) {
            if (!e.is(Errno.ECONNRESET)) {
                throw e;
            }
            // Told once: it closed without having read all of ours. What it said before that is still to come.
            return checkLong(() -> C.recvmsg(socket.number(), memory, flags | MSG_CMSG_CLOEXEC), () -> "recvmsg");
        }
    }

    private List<Fd> files() {
        List<Fd> files = new ArrayList<>();
        long control = memory.getLong(40);
        if (control < LENGTH_OF_ONE
                || memory.getInt(CONTROL + 8) != SOL_SOCKET
                || memory.getInt(CONTROL + 12) != SCM_RIGHTS) {
            return files;
        }
        long end = Math.min(memory.getLong(CONTROL), SIZE_OF_CONTROL);
        for (long at = SIZE_OF_CMSGHDR; at + 4 <= end; at += 4) {
            files.add(Fd.own(memory.getInt(CONTROL + at)));
        }
        return files;
    }

    /**
     * Sends a message, whole or not at all.
     *
     * @param bytes up to the longest, and 1 or more
     * @param file a descriptor to send a duplicate of
     * @throws ErrnoException EAGAIN if there is no room now, and the socket does not wait; EPIPE, ECONNRESET if the other
     *     side has closed; EMSGSIZE; ETOOMANYREFS
     */
    public void send(Fd socket, byte[] bytes, Optional<Fd> file) {
        if (bytes.length > longest) {
            throw new ErrnoException(Errno.EMSGSIZE, "a message of " + bytes.length + " bytes");
        }
        prepare(bytes.length, file.isPresent() ? SIZE_OF_CONTROL : 0);
        memory.put(DATA, bytes, 0, bytes.length);
        file.ifPresent(fd -> {
            memory.putLong(CONTROL, LENGTH_OF_ONE);
            memory.putInt(CONTROL + 8, SOL_SOCKET);
            memory.putInt(CONTROL + 12, SCM_RIGHTS);
            memory.putInt(CONTROL + SIZE_OF_CMSGHDR, fd.number());
        });
        checkLong(() -> C.sendmsg(socket.number(), memory, MSG_NOSIGNAL), () -> "sendmsg");
    }

    private void prepare(int length, int controlLength) {
        memory.setMemory(0, DATA, (byte) 0);
        memory.putPointer(16, memory.slice(SIZE_OF_MSGHDR));
        memory.putLong(24, 1);
        if (controlLength > 0) {
            memory.putPointer(32, memory.slice(CONTROL));
            memory.putLong(40, controlLength);
        }
        memory.putPointer(SIZE_OF_MSGHDR, memory.slice(DATA));
        memory.putLong(SIZE_OF_MSGHDR + 8, length);
    }
}
