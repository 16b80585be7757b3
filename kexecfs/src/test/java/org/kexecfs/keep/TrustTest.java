package org.kexecfs.keep;

import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.kexecfs.posix.Peer;
import org.kexecfs.posix.Pidfd;
import org.kexecfs.posix.ProcessStatus;

/** Which processes may have what a keeper holds. */
class TrustTest {
    private final List<Process> processes = new ArrayList<>();

    @AfterEach
    void end() {
        processes.forEach(process -> process.destroyForcibly().onExit().join());
    }

    @Test
    void aProcessLikeOursMay() throws IOException {
        try (Peer peer = process()) {
            assertEquals(Optional.empty(), Trust.refusal(peer));
        }
    }

    @Test
    void anotherUserMayNot() throws IOException {
        try (Peer peer = process("setpriv", "--reuid=65534", "--clear-groups")) {
            assertTrue(Trust.refusal(peer).orElseThrow().contains("65534"));
        }
    }

    @Test
    void rootWithFewerCapabilitiesMayNot() throws IOException {
        try (Peer peer = process("setpriv", "--bounding-set=-sys_ptrace")) {
            assertTrue(Trust.refusal(peer).orElseThrow().contains("fewer rights"));
        }
    }

    @Test
    void rootOfAnotherUserNamespaceMayNot() throws IOException {
        try (Peer peer = process("unshare", "--user", "--map-root-user")) {
            assertTrue(Trust.refusal(peer).orElseThrow().contains("fewer rights"));
        }
    }

    @Test
    void aProcessThatHasEndedMayNotWhoeverHasItsNumberNow() throws IOException {
        int self = (int) ProcessHandle.current().pid();
        try (Peer ended = process()) {
            end();
            try (Peer peer = new Peer(self, ended.uid(), ended.gid(), Set.of(), ended.process())) {
                assertEquals(Optional.of("the process has ended"), Trust.refusal(peer));
            }
        }
    }

    /** A process that has become what {@code prefix} makes of it. */
    private Peer process(String... prefix) throws IOException {
        List<String> command = new ArrayList<>(List.of(prefix));
        command.addAll(List.of("sleep", "1000"));
        Process process = new ProcessBuilder(command).start();
        processes.add(process);
        int pid = (int) process.pid();
        await().until(() -> Files.readString(Path.of("/proc/" + pid + "/comm")).equals("sleep\n"));
        ProcessStatus status = ProcessStatus.read(pid);
        return new Peer(pid, status.uids().get(1), status.gids().get(1), status.groups(), Optional.of(Pidfd.open(pid)));
    }
}
