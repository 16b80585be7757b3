package org.kexecfs.posix;

import static org.kexecfs.posix.Libc.C;
import static org.kexecfs.posix.Syscall.check;

import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.Optional;
import java.util.Set;
import jnr.constants.platform.linux.Errno;
import jnr.ffi.Pointer;

/** Unix domain sockets (unix(7)), of whole messages where nothing else is said. {@link Messages} are said over them. */
public final class Sockets {
    private static final int AF_UNIX = 1;
    private static final int SOCK_STREAM = 1;
    private static final int SOCK_DGRAM = 2;
    private static final int SOCK_SEQPACKET = 5;
    private static final int SOCK_NONBLOCK = 0x800;
    private static final int SOCK_CLOEXEC = 0x80000;
    private static final int SHUT_RDWR = 2;
    private static final int SOL_SOCKET = 1;
    private static final int SO_SNDBUF = 7;
    private static final int SO_PEERCRED = 17;
    private static final int SO_PEERGROUPS = 59;
    private static final int SO_PEERPIDFD = 77;
    private static final int SIZE_OF_ADDRESS = 110;
    private static final int LONGEST_PATH = 107;
    private static final int MOST_GROUPS = 65536;

    private Sockets() {}

    /**
     * A socket of whole messages (SOCK_SEQPACKET) at a path, listening (socket(2), bind(2), listen(2)); accepting never waits.
     * bind(2) makes the name, so whoever serves the filesystem must be another thread.
     *
     * @param path up to 107 bytes
     * @param backlog connections that may wait to be accepted
     * @throws ErrnoException ENAMETOOLONG; EADDRINUSE if the name is there; ENOENT, EACCES, EROFS and others of mknod(2)
     */
    public static Fd listen(String path, int backlog) {
        return listen(SOCK_SEQPACKET, path, backlog, Sockets::bind);
    }

    /** {@link #listen}, in a filesystem that this process may serve. */
    public static Fd listenApart(String path, int backlog) {
        return listen(SOCK_SEQPACKET, path, backlog, Apart::bind);
    }

    /** {@link #listen}, for bytes one after the other (SOCK_STREAM). */
    public static Fd listenStream(String path, int backlog) {
        return listen(SOCK_STREAM, path, backlog, Sockets::bind);
    }

    private interface Bind {
        void bind(Fd socket, Pointer address, int length, String told);
    }

    private static void bind(Fd socket, Pointer address, int length, String told) {
        check(() -> C.bind(socket.number(), address, length), () -> "bind(" + told + ")");
    }

    private static Fd listen(int type, String path, int backlog, Bind bind) {
        Fd socket = create(type | SOCK_NONBLOCK);
        try {
            Pointer address = address(path);
            bind.bind(socket, address, SIZE_OF_ADDRESS, path);
            check(() -> C.listen(socket.number(), backlog), () -> "listen(" + path + ")");
            return socket;
        } catch (RuntimeException e) {
            socket.close();
            throw e;
        }
    }

    /**
     * A connection to the socket at a path (socket(2), connect(2)); waits while its backlog is full.
     *
     * @throws ErrnoException ECONNREFUSED if nobody listens; ENOENT, EACCES, ENAMETOOLONG
     */
    public static Fd connect(String path) {
        return connect(SOCK_SEQPACKET, path, address(path), SIZE_OF_ADDRESS);
    }

    /**
     * {@link #connect}, but that neither this, nor reading and writing, ever waits.
     *
     * @throws ErrnoException EAGAIN if its backlog is full; and as {@link #connect}
     */
    public static Fd connectWithoutWaiting(String path) {
        return connect(SOCK_SEQPACKET | SOCK_NONBLOCK, path, address(path), SIZE_OF_ADDRESS);
    }

    /**
     * A socket whose datagrams go to the one at an address (SOCK_DGRAM).
     *
     * @param address a path, or, after an {@code @}, a name in the abstract namespace
     * @throws ErrnoException as {@link #connect}; EINVAL if it is neither
     */
    public static Fd connectDatagram(String address) {
        boolean inNamespace = address.startsWith("@");
        if (!inNamespace && !address.startsWith("/")) {
            throw new ErrnoException(Errno.EINVAL, "'" + address + "' is no socket's address that we know");
        }
        Pointer bytes = address(address);
        if (!inNamespace) {
            return connect(SOCK_DGRAM, address, bytes, SIZE_OF_ADDRESS);
        }
        bytes.putByte(2, (byte) 0);
        return connect(SOCK_DGRAM, address, bytes, 2 + Fd.utf8(address).length);
    }

    private static Fd connect(int type, String told, Pointer address, int length) {
        Fd socket = create(type);
        try {
            check(() -> C.connect(socket.number(), address, length), () -> "connect(" + told + ")");
            return socket;
        } catch (RuntimeException e) {
            socket.close();
            throw e;
        }
    }

    private static Fd create(int type) {
        return Fd.own(check(() -> C.socket(AF_UNIX, type | SOCK_CLOEXEC, 0), () -> "socket"));
    }

    private static Pointer address(String path) {
        byte[] bytes = path.getBytes(StandardCharsets.UTF_8);
        if (bytes.length > LONGEST_PATH) {
            throw new ErrnoException(Errno.ENAMETOOLONG, "the path of a socket, " + path);
        }
        Pointer address = Fd.allocate(SIZE_OF_ADDRESS);
        address.putShort(0, (short) AF_UNIX);
        address.put(2, bytes, 0, bytes.length);
        return address;
    }

    /**
     * The next connection (accept4(2)); reading and writing it never waits.
     *
     * @return empty if there is none now
     * @throws ErrnoException EMFILE, ENFILE, ENOMEM
     */
    public static Optional<Fd> accept(Fd listener) {
        try {
            return Optional.of(Fd.own(check(
                    () -> C.accept4(listener.number(), null, null, SOCK_NONBLOCK | SOCK_CLOEXEC), () -> "accept4")));
        } catch (ErrnoException e) {
            // ECONNABORTED: it went away before we came.
            if (e.is(Errno.EAGAIN, Errno.ECONNABORTED)) {
                return Optional.empty();
            }
            throw e;
        }
    }

    /**
     * Ends a connection in both directions, for all who have it open (shutdown(2)): nothing more can be sent. What was sent before is
     * there to be received still, and then its end.
     *
     * @throws ErrnoException ENOTCONN
     */
    public static void shutdown(Fd connection) {
        check(() -> C.shutdown(connection.number(), SHUT_RDWR), () -> "shutdown");
    }

    /** Limits how much that nobody reads waits in a connection (SO_SNDBUF); the kernel has a least of its own. */
    public static void limitUnread(Fd connection, int bytes) {
        Pointer value = Fd.allocate(4);
        value.putInt(0, bytes);
        check(() -> C.setsockopt(connection.number(), SOL_SOCKET, SO_SNDBUF, value, 4), () -> "setsockopt(SO_SNDBUF)");
    }

    /**
     * Who is at the other end.
     *
     * @throws ErrnoException EMFILE, ENFILE, ENOMEM
     */
    public static Peer peer(Fd connection) {
        Pointer credentials = option(connection, SO_PEERCRED, 12, "SO_PEERCRED");
        int pid = credentials.getInt(0);
        return new Peer(
                pid, credentials.getInt(4), credentials.getInt(8), groups(connection), process(connection, pid));
    }

    private static Set<Integer> groups(Fd connection) {
        Pointer length = Fd.allocate(4);
        Pointer groups = Fd.allocate(4 * 64);
        length.putInt(0, 4 * 64);
        try {
            getOption(connection, SO_PEERGROUPS, groups, length, "SO_PEERGROUPS");
        } catch (ErrnoException e) {
            if (!e.is(Errno.ERANGE)) {
                throw e;
            }
            groups = Fd.allocate(4 * MOST_GROUPS);
            length.putInt(0, 4 * MOST_GROUPS);
            getOption(connection, SO_PEERGROUPS, groups, length, "SO_PEERGROUPS");
        }
        Set<Integer> all = new HashSet<>();
        for (int i = 0; i < length.getInt(0) / 4; i++) {
            all.add(groups.getInt(4L * i));
        }
        return Set.copyOf(all);
    }

    private static Optional<Pidfd> process(Fd connection, int pid) {
        if (pid == 0) {
            return Optional.empty();
        }
        try {
            return Optional.of(Pidfd.of(
                    Fd.own(option(connection, SO_PEERPIDFD, 4, "SO_PEERPIDFD").getInt(0)), pid));
        } catch (ErrnoException e) {
            // ENOPROTOOPT: Linux before 6.5.
            return e.is(Errno.ENOPROTOOPT) ? open(pid) : gone(e);
        }
    }

    private static Optional<Pidfd> open(int pid) {
        try {
            return Optional.of(Pidfd.open(pid));
        } catch (ErrnoException e) {
            return gone(e);
        }
    }

    /** A process that cannot be held is not there any more, unless it is we who can hold nothing. */
    private static Optional<Pidfd> gone(ErrnoException e) {
        if (e.is(Errno.EMFILE, Errno.ENFILE, Errno.ENOMEM)) {
            throw e;
        }
        return Optional.empty();
    }

    private static Pointer option(Fd connection, int option, int size, String name) {
        Pointer value = Fd.allocate(size);
        Pointer length = Fd.allocate(4);
        length.putInt(0, size);
        getOption(connection, option, value, length, name);
        return value;
    }

    private static void getOption(Fd connection, int option, Pointer value, Pointer length, String name) {
        check(
                () -> C.getsockopt(connection.number(), SOL_SOCKET, option, value, length),
                () -> "getsockopt(" + name + ")");
    }
}
