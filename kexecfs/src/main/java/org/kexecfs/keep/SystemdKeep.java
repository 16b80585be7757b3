package org.kexecfs.keep;

import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.Messages;
import org.kexecfs.posix.Poll;
import org.kexecfs.posix.Sockets;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * systemd's fd store (sd_pid_notify_with_fds(3), sd_listen_fds(3), systemd.service(5) FileDescriptorStoreMax=).
 *
 * <p>systemd learns from the kernel which process a message is from, and to which unit it belongs: for a process that it has
 * started itself, as it has us, also when that has died meanwhile (sd_notify(3)). So a file is parked once the message is sent, in
 * the order of the messages. It takes an open file once, whatever its name.
 *
 * <p>systemd is waited for with a barrier: it closes the end of a pipe that it is sent when it has read all that came before. It
 * may take its time, and may itself be waiting for a mount of ours. What it asks, and what keeps the answer back:
 *
 * <ul>
 *   <li>Attributes of a session's root, and its usage, at each {@code systemctl daemon-reload}, of all mounts, also by the generators
 *       that it waits for: a mount that is attached and not served yet; the session's lock, for a moment only ({@code LastKnown} in the
 *       session).
 *   <li>Whether there is a file in a session ({@code ConditionPathExists=} and its like, {@code PathExists=} of a path unit): the same, but
 *       the session's lock for as long as it is held; and the kernel's lock of the directory, which is held by link(2), open(2) with
 *       O_CREAT, unlink(2), rename(2), mkdir(2) and their like until they are answered.
 *   <li>All of that: if as many requests to that mount as are served at once wait.
 * </ul>
 *
 * <p>So nobody waits for systemd who has a session's lock, nor between attaching a mount and serving it. Parking and releasing do not
 * wait at all; whoever needs that something is closed there waits for it without a lock, as long as it takes ({@link
 * #awaitDropped}, {@link #settle}). {@link #catchUp} keeps the queue short, for in the end systemd's socket makes its writers wait; it comes
 * before an answer, when the kernel may hold a directory's lock, and so waits for moments, and does not insist. Our monitor is
 * held to send, not to wait.
 */
final class SystemdKeep implements Keep {
    private static final Logger log = LoggerFactory.getLogger(SystemdKeep.class);

    private static final int FIRST = 3;
    private static final int LONGEST = 1024;

    /** What systemd may take; it is busy at times. */
    private static final Duration PATIENCE = Duration.ofMinutes(1);

    /** What it may take if that may be us: it shall not wait long. */
    private static final Duration MOMENT = Duration.ofSeconds(1);

    /** Messages that may be on their way; the kernel lets a sender have some 270, and a receiver 512 since systemd says so. */
    private static final int MOST_UNDER_WAY = 64;

    private final Fd systemd;
    private final long most;
    private final NavigableMap<String, Fd> found;
    private final ComingBoot boot = new ComingBoot();
    private final Set<String> parked = new LinkedHashSet<>();
    private final Messages messages = new Messages(LONGEST);

    /** Numbers of messages, the first being 1, by the names that they release: until systemd has read them for certain. */
    private final Map<String, Long> releasing = new HashMap<>();

    /** How many messages there were, and how many of them systemd has read for certain. */
    private long said;

    private long read;

    SystemdKeep(Fd systemd, long most, Map<String, Fd> found) {
        this.systemd = systemd;
        this.most = most;
        this.found = new TreeMap<>(found);
        this.parked.addAll(found.keySet());
    }

    /**
     * The fd store of the unit that this process is.
     *
     * @param environment of this process: NOTIFY_SOCKET and FDSTORE say that there is one, LISTEN_FDS and its like what is
     *     in it
     * @return empty if it is no unit, or one without an fd store
     */
    static Optional<Keep> ofUnit(Map<String, String> environment) {
        String socket = environment.getOrDefault("NOTIFY_SOCKET", "");
        long most = number(environment.get("FDSTORE"));
        if (socket.isEmpty() || most == 0) {
            return Optional.empty();
        }
        return Optional.of(new SystemdKeep(Sockets.connectDatagram(socket), most, inherited(environment)));
    }

    private static Map<String, Fd> inherited(Map<String, String> environment) {
        Map<String, Fd> found = new LinkedHashMap<>();
        if (number(environment.get("LISTEN_PID")) != ProcessHandle.current().pid()) {
            return found;
        }
        List<String> names =
                Arrays.asList(environment.getOrDefault("LISTEN_FDNAMES", "").split(":", -1));
        for (int i = 0; i < number(environment.get("LISTEN_FDS")); i++) {
            String name = i < names.size() ? names.get(i) : "";
            Fd file = Fd.inherit(FIRST + i);
            Fd other = found.putIfAbsent(name, file);
            if (other != null) {
                // None of ours: we use no name twice.
                file.close();
            }
        }
        return found;
    }

    private static long number(String text) {
        return text == null || !text.matches("[0-9]{1,9}") ? 0 : Long.parseLong(text);
    }

    @Override
    public synchronized Map<String, Fd> found() {
        return Map.copyOf(found);
    }

    /** Of thousands, for each session. */
    @Override
    public synchronized Map<String, Fd> found(String prefix) {
        return Map.copyOf(found.subMap(prefix, prefix + Character.MAX_VALUE));
    }

    @Override
    public synchronized void park(Map<String, Fd> files) {
        files.keySet().forEach(KeptName::check);
        if (parked.size() + files.size() > most) {
            throw new ErrnoException(
                    Errno.EMFILE,
                    "systemd holds " + parked.size() + " files for us, and FileDescriptorStoreMax=" + most
                            + " are the most; it may be set higher");
        }
        // FDPOLL: it would otherwise drop what poll(2) calls broken.
        files.forEach((name, file) -> say("FDSTORE=1\nFDPOLL=0\nFDNAME=" + name, Optional.of(file)));
        parked.addAll(files.keySet());
    }

    @Override
    public synchronized void release(String name) {
        found.remove(name);
        if (parked.remove(name)) {
            say("FDSTOREREMOVE=1\nFDNAME=" + name, Optional.empty());
            releasing.put(name, said);
        }
    }

    @Override
    public void drop(String name) {
        release(name);
    }

    @Override
    public boolean awaitDropped(String prefix, Duration patience) {
        boolean releasing = isReleasing(prefix);
        if (releasing) {
            settle(patience);
        }
        return releasing;
    }

    private synchronized boolean isReleasing(String prefix) {
        return releasing.keySet().stream().anyMatch(name -> name.startsWith(prefix));
    }

    @Override
    public void settle() {
        settle(PATIENCE);
    }

    @Override
    public void catchUp() {
        if (isFarAhead()) {
            try {
                settle(MOMENT);
            } catch (ErrnoException e) {
                log.debug("{}: {} messages are under way", e.getMessage(), said - read);
            }
        }
    }

    private synchronized boolean isFarAhead() {
        return said - read >= MOST_UNDER_WAY;
    }

    private void settle(Duration patience) {
        try (Fd.Pipe barrier = Fd.pipe()) {
            long last = sendBarrier(barrier);
            barrier.write().close();
            // Nothing is written there, so what happens is its end.
            if (Poll.await(List.of(new Poll.Wanted(barrier.read(), 0)), (int) patience.toMillis())
                    .isEmpty()) {
                throw new ErrnoException(
                        Errno.EAGAIN,
                        "systemd has read nothing from its notification socket for " + patience.toMillis()
                                + " ms; try again once 'systemctl status' answers");
            }
            hasRead(last);
        }
    }

    private synchronized void hasRead(long last) {
        read = Math.max(read, last);
        releasing.values().removeIf(number -> number <= last);
    }

    @Override
    public boolean outlivesStop() {
        return true;
    }

    @Override
    public Coming coming() {
        return boot.what();
    }

    /** The message's number. */
    private synchronized long sendBarrier(Fd.Pipe barrier) {
        say("BARRIER=1", Optional.of(barrier.write()));
        return said;
    }

    private void say(String message, Optional<Fd> file) {
        said++;
        try {
            messages.send(systemd, Fd.utf8(message), file);
        } catch (ErrnoException e) {
            throw new ErrnoException(Errno.EAGAIN, "systemd's notification socket: " + e.getMessage());
        }
    }

    @Override
    public synchronized void close() {
        systemd.close();
    }

    @Override
    public String toString() {
        return "systemd";
    }
}
