package org.kexecfs.daemon;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import jnr.ffi.Pointer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.Libc;
import org.kexecfs.posix.Messages;

class ServiceManagerTest {
    private static final int AF_UNIX = 1;
    private static final int SOCK_DGRAM = 2;
    private static final int SOCK_NONBLOCK = 0x800;
    private static final int SIZE_OF_ADDRESS = 110;

    @TempDir
    private Path work;

    private final Fd systemd = Fd.own(Libc.C.socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0));

    @AfterEach
    void close() {
        systemd.close();
    }

    private String listen() {
        Path path = work.resolve("notify");
        Pointer address = Fd.allocate(SIZE_OF_ADDRESS);
        address.putShort(0, (short) AF_UNIX);
        address.put(2, Fd.utf8(path.toString()), 0, Fd.utf8(path.toString()).length);
        assertEquals(0, Libc.C.bind(systemd.number(), address, SIZE_OF_ADDRESS));
        return path.toString();
    }

    private List<String> told() {
        List<String> told = new ArrayList<>();
        Messages messages = new Messages(512);
        for (var message = messages.receive(systemd); message.isPresent(); message = messages.receive(systemd)) {
            told.add(new String(message.get().bytes(), StandardCharsets.UTF_8));
        }
        return told;
    }

    @Test
    void aDaemonSaysWhenItIsReady_howItIs_andThatItStops() {
        String socket = listen();
        try (Daemon daemon = Daemon.start(new Address(work.resolve("run")), socket, Thread::new)) {
            daemon.run(Duration.ofMillis(1));
        }

        assertEquals(List.of("READY=1", "STATUS=0 mounts", "STOPPING=1"), told());
    }

    @Test
    void whereNobodyAsksNobodyIsTold() {
        try (ServiceManager none = new ServiceManager(null)) {
            none.ready();
        }
    }

    @Test
    void aServiceManagerThatIsGoneIsNoTrouble() {
        String socket = listen();
        try (ServiceManager manager = new ServiceManager(socket)) {
            systemd.close();
            manager.status("well");
        }
    }
}
