package org.kexecfs.keep;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.kexecfs.luo.LiveUpdate;
import org.kexecfs.luo.LiveUpdateSession;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.slf4j.LoggerFactory;

/**
 * Holds descriptors of this process, which can so outlive it: whoever is started in its place finds them.
 *
 * <p>Its life:
 *
 * <ol>
 *   <li>{@link #open} finds the keeper there is, or starts one, and {@link #found} is what the process before left there.
 *   <li>{@link #park} and {@link #release}, as descriptors come and go.
 *   <li>This process ends, in whatever way: what is parked stays so. A process keeper that holds nothing ends, too.
 * </ol>
 *
 * <p>Unhappy ends: a keeper that dies is replaced by one that has what it had, and all that is parked is parked there again. A process
 * keeper is two processes ({@code Seat}): what is parked is lost only if those and this one die at once. Safe for use by several threads; they wait for each other.
 */
public interface Keep extends AutoCloseable {
    /** Bytes that a name may have. */
    int LONGEST_NAME = 255;

    /**
     * The keep of this process: systemd's fd store, if we are a unit that has one, else a process of our own.
     *
     * @param directory where a process keeper has its socket; made if need be, and ours alone. One daemon uses it at a time
     * @throws ErrnoException EBUSY if another daemon has this keeper; EPERM if it is not ours; EIO if it cannot be started;
     *     EMFILE if it holds more than this process may open: it holds it still
     */
    static Keep open(Path directory) {
        Optional<Keep> systemd = SystemdKeep.ofUnit(System.getenv());
        return systemd.orElseGet(() -> new ProcessKeep(directory, KeeperCommand.ofThisJvm(directory)));
    }

    /**
     * What starts a process keeper, for whoever starts the process that is to use it: both start at once then, which takes half
     * the time. The keeper's output ends when {@link #open} would find it; if nobody comes to it, it ends.
     *
     * @param directory as for {@link #open}; there
     * @return the program and its arguments; empty if there is one
     */
    static Optional<List<String>> keeper(Path directory) {
        return Files.exists(Keeper.socket(directory))
                ? Optional.empty()
                : Optional.of(KeeperCommand.ofThisJvm(directory).command());
    }

    /**
     * Which processes a process keeper is: they have open what any daemon has parked there.
     *
     * @param directory as for {@link #open}
     * @return their pids; none if there is no such keeper, and never was
     */
    static Set<Integer> processes(Path directory) {
        return Seat.processes(directory);
    }

    /** Nobody: what this process holds ends with it. */
    static Keep none() {
        return NoKeep.INSTANCE;
    }

    /**
     * What was parked when this process began, and was not released since.
     *
     * @return by name; the caller's to close, each after its {@link #release}
     */
    Map<String, Fd> found();

    /** What of that has a name that begins like this. */
    default Map<String, Fd> found(String prefix) {
        return found().entrySet().stream()
                .filter(file -> file.getKey().startsWith(prefix))
                .collect(Collectors.toMap(Map.Entry::getKey, Map.Entry::getValue));
    }

    /**
     * Has descriptors held. When it returns, they outlive a kill of this process. {@code file} is the keep's to use until it
     * is released: close it after that.
     *
     * @param files by name: 1 to {@value #LONGEST_NAME} printable characters of ASCII, no {@code :}; none that is in use
     * @throws ErrnoException EMFILE if the keeper may not hold more; EAGAIN if it cannot be reached, nor started; EINVAL
     *     for a name
     */
    void park(Map<String, Fd> files);

    /** {@link #park(Map)} of one. */
    default void park(String name, Fd file) {
        park(Map.of(name, file));
    }

    /**
     * Has an incoming session of LUO retrieved and held ({@link LiveUpdate#retrieveSession}); by the keeper itself if it can,
     * for a session ends with its last descriptor, and what was not retrieved is freed: so there is no moment at which
     * this process alone has it.
     *
     * @param name as for {@link #park(Map)}
     * @param luo where the session is
     * @param session its name
     * @return the session, held under {@code name}; if the keeper can hold no more, the session all the same
     * @throws ErrnoException as {@link LiveUpdate#retrieveSession}; EAGAIN as {@link #park(Map)}
     */
    default LiveUpdateSession retrieve(String name, LiveUpdate luo, String session) {
        LiveUpdateSession retrieved = luo.retrieveSession(session);
        try {
            park(name, retrieved.fd());
        } catch (ErrnoException e) {
            // To close it would be to lose what it has.
            LoggerFactory.getLogger(Keep.class)
                    .error("{} is not kept: a crash of this process would lose it: {}", retrieved, e.getMessage());
        }
        return retrieved;
    }

    /** Has a descriptor held no longer, soon: {@link #settle} waits for it. Nothing, if there is none of that name. */
    void release(String name);

    /**
     * {@link #release} of something that is to be closed everywhere before its like is made, for a caller that may have a lock
     * which requests to a mount need. So it is waited for only if the keeper itself waits for nobody; else {@link #awaitDropped}
     * does that, without the lock.
     *
     * @throws ErrnoException EAGAIN as {@link #park(Map)}
     */
    default void drop(String name) {
        release(name);
        settle();
    }

    /**
     * Returns when what was dropped, or released, and has a name that begins like this, is closed as far as it is the keeper's.
     *
     * @param patience then it goes on: longer than a moment only for who has no lock that requests to a mount need
     * @return whether anything had to be waited for: not, if {@link #drop} does that
     * @throws ErrnoException EAGAIN if it was too short
     */
    default boolean awaitDropped(String prefix, Duration patience) {
        return false;
    }

    /**
     * Whether what is parked is to stay so when this process is told to end, for the one that is started in its place. If not,
     * what it held ends with it, unless it was killed.
     */
    default boolean outlivesStop() {
        return false;
    }

    /**
     * What the machine goes down for now, if whoever holds what is parked brings it there. May take as long as systemd takes to
     * answer.
     */
    default Coming coming() {
        return Coming.NOTHING;
    }

    /** {@link #release} of everything whose name begins like this. */
    default void releaseAll(String prefix) {}

    /**
     * Has this process started again if it ends without a {@link #close} while something is parked: at once; after some early
     * deaths in a row ever later. Nothing, where another sees to that (systemd), or nobody could.
     *
     * @param command the program and its arguments, without newlines; it gets no standard descriptors. Nothing: not any more
     * @throws ErrnoException EAGAIN as {@link #park(Map)}
     */
    default void restartBy(List<String> command) {}

    /**
     * Returns when all that was parked or released before is held or closed, as far as it is the keeper's. Not for who has a lock
     * that requests to a mount need.
     *
     * @throws ErrnoException EAGAIN if the keeper does not answer
     */
    void settle();

    /**
     * For who has parked or released something and holds no lock of ours any more: waits a moment for a keeper that is far behind,
     * for others must not be made to wait for it while they hold one.
     */
    default void catchUp() {}

    /** Lets go of the keeper, which holds what is parked. */
    @Override
    void close();
}
