package org.kexecfs.keep;

import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Semaphore;
import jnr.ffi.Pointer;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.Libc;
import org.kexecfs.posix.Messages;
import org.kexecfs.posix.Poll;
import org.kexecfs.posix.Sockets;

/** The fd store as systemd's manual pages describe it: what the messages that came have it hold. */
public final class FakeSystemd implements AutoCloseable {
    private static final int AF_UNIX = 1;
    private static final int SOCK_DGRAM = 2;
    private static final int SOCK_CLOEXEC = 0x80000;
    private static final int SIZE_OF_ADDRESS = 110;

    private final String path;
    private final Fd socket;
    private final Map<String, Fd> store = new LinkedHashMap<>();
    private final List<String> messages = new ArrayList<>();
    private final Fd stop = Fd.event();
    private final Semaphore turn = new Semaphore(1);
    private final Thread thread;

    /**
     * Starts it.
     *
     * @param path of its socket, which it makes
     */
    public FakeSystemd(String path) {
        this.path = path;
        socket = bind(path);
        thread = Thread.ofPlatform().daemon().start(this::serve);
    }

    /** A datagram socket, bound to a path. */
    private static Fd bind(String path) {
        Fd socket = Fd.own(Libc.C.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        Pointer address = Fd.allocate(SIZE_OF_ADDRESS);
        address.putShort(0, (short) AF_UNIX);
        address.put(2, Fd.utf8(path), 0, Fd.utf8(path).length);
        assertEquals(0, Libc.C.bind(socket.number(), address, SIZE_OF_ADDRESS));
        return socket;
    }

    /**
     * The keep of a unit that it starts now: what is in the store is found.
     *
     * @param most FileDescriptorStoreMax=
     */
    public Keep keep(int most) {
        Map<String, Fd> found = new LinkedHashMap<>();
        store().forEach((name, file) -> found.put(name, file.dup()));
        return new SystemdKeep(Sockets.connectDatagram(path), most, found);
    }

    /** Reads nothing, until it {@link #goOn goes on}. */
    public void pause() {
        turn.acquireUninterruptibly();
    }

    public void goOn() {
        turn.release();
    }

    private void serve() {
        Messages received = new Messages(4096);
        while (Poll.await(List.of(new Poll.Wanted(stop, Poll.POLLIN), new Poll.Wanted(socket, Poll.POLLIN)), -1)
                        .getFirst()
                != stop) {
            turn.acquireUninterruptibly();
            received.receive(socket).ifPresent(this::take);
            turn.release();
        }
    }

    private synchronized void take(Messages.Message message) {
        String text = new String(message.bytes(), StandardCharsets.UTF_8);
        messages.add(text);
        List<String> lines = text.lines().toList();
        String name = lines.stream()
                .filter(line -> line.startsWith("FDNAME="))
                .map(line -> line.substring("FDNAME=".length()))
                .findFirst()
                .orElse("stored");
        if (lines.contains("FDSTORE=1")) {
            store.put(name, message.files().getFirst());
        } else {
            message.files().forEach(Fd::close);
        }
        if (lines.contains("FDSTOREREMOVE=1")) {
            store.remove(name).close();
        }
    }

    public synchronized Map<String, Fd> store() {
        return Map.copyOf(store);
    }

    public synchronized List<String> messages() {
        return List.copyOf(messages);
    }

    @Override
    public void close() {
        stop.signal();
        // A test that has failed may have left it paused.
        turn.release();
        await().until(() -> !thread.isAlive());
        store.values().forEach(Fd::close);
        socket.close();
        stop.close();
    }
}
