package org.kexecfs.luo;

import java.nio.file.Path;
import java.time.Duration;
import java.util.function.Supplier;
import org.kexecfs.posix.Fd;

/**
 * A LUO: the kernel's device, or the emulation of it. Its calls are those of {@code /dev/liveupdate}
 * (include/uapi/linux/liveupdate.h) and so are their errnos (kernel/liveupdate/luo_core.c and luo_session.c).
 *
 * <p>A session's life, over two kernels:
 *
 * <ol>
 *   <li>{@link #createSession} makes an <em>outgoing</em> session, which exists while its descriptor is open.
 *   <li>{@link LiveUpdateSession#preserve} hands files to it, each under a token.
 *   <li>kexec: what is in the sessions that are open at that moment is carried over; they are the next kernel's
 *       <em>incoming</em> sessions. If a file cannot be frozen there is no kexec, and all is as before.
 *   <li>{@link #retrieveSession} opens an incoming session, once.
 *   <li>{@link LiveUpdateSession#retrieve} gives its files back, in any order.
 *   <li>{@link LiveUpdateSession#finish}, or the close, ends LUO's hold; what was not retrieved is freed.
 * </ol>
 *
 * Unhappy ends: an outgoing session that is closed before the kexec lets go of all its files; an incoming one
 * that nobody retrieves is dropped by the kexec after. Outgoing and incoming names are separate: while a
 * retrieved session is open, an outgoing one of its name can be created.
 *
 * <p>Safe for use by several threads and several processes at once.
 */
public interface LiveUpdate {
    /** The LUO that tells itself ({@link #toString}) like this; a device that is busy is EBUSY at once: see {@link #inTurn}. */
    static LiveUpdate told(String told) {
        String emulated = EmulatedLiveUpdate.TOLD;
        return told.startsWith(emulated)
                ? new EmulatedLiveUpdate(Path.of(told.substring(emulated.length())))
                : new DeviceLiveUpdate(told, Duration.ZERO);
    }

    /**
     * Creates an outgoing session (CREATE_SESSION).
     *
     * @param name 1 to 63 bytes of UTF-8, no NUL, not {@code .} or {@code ..}
     * @return the session, empty
     * @throws org.kexecfs.posix.ErrnoException EINVAL not such a name; EEXIST an outgoing session of that name is
     *     open; ENOENT, EACCES, EPERM no such device or directory, or no right to it; EBUSY others have had the device
     *     open for 5 s; EIO LUO could not understand what the kernel before handed over; ENOTTY the device is
     *     no LUO; ENOMEM, EMFILE
     */
    LiveUpdateSession createSession(String name);

    /**
     * Opens an incoming session (RETRIEVE_SESSION): what the kernel before preserved under that name.
     *
     * @param name as for {@link #createSession}
     * @return the session; whatever is not retrieved from it when it is closed is freed for good
     * @throws org.kexecfs.posix.ErrnoException ENOENT there is no such incoming session (and none any more, once it
     *     was closed); EINVAL not such a name, or it was retrieved already and is still open, finished or not; and as
     *     {@link #createSession} for the device. A missing device is ENOENT, too, as a createSession that
     *     follows will show
     */
    LiveUpdateSession retrieveSession(String name);

    /**
     * Takes up a session that another process of this kernel opened, by a duplicate of its descriptor.
     *
     * @param fd the descriptor; the session's from here on, and closed if this fails
     * @return the session, which is what it was: {@link LiveUpdateSession#isIncoming} tells
     * @throws org.kexecfs.posix.ErrnoException EINVAL it is no session's; ENODEV it is one of another kernel's (the emulation
     *     only: no descriptor comes through a real kexec)
     */
    LiveUpdateSession adopt(Fd fd);

    /**
     * The LUO that a session belongs to, as its descriptor tells: for who has been given a session and nothing else.
     *
     * @param session a session's descriptor; {@link #adopt} of the device refuses what is none
     */
    static LiveUpdate of(Fd session) {
        // An emulation's is DIR/kernel.N/outgoing/NAME/session.
        Path file = session.path();
        Path machine =
                file.getNameCount() < 5 ? null : file.resolve("../../../..").normalize();
        return machine != null && EmulatedKernel.isIn(machine)
                ? new EmulatedLiveUpdate(machine)
                : new DeviceLiveUpdate();
    }

    /**
     * Whether a descriptor is that of an incoming session, as far as its link in /proc tells: nothing is opened, nor asked, and nobody
     * waited for. The kernel's link does not tell an incoming session from an outgoing one.
     *
     * @param link where {@code /proc/PID/fd/N} leads to
     * @param session the session's name
     */
    static boolean isIncoming(Path link, String session) {
        return link.toString().equals(DeviceLiveUpdate.SHOWN + session)
                || link.endsWith(Path.of("incoming", new SessionName(session).asFileName(), "session"));
    }

    /**
     * Has it opened while no other thread of this process does, again and again if somebody else has it open: for whoever has it
     * opened by another process, as {@link #createSession} and {@link #retrieveSession} do by themselves.
     *
     * @param opens opens it once; EBUSY if it is open elsewhere
     * @return what that returns
     * @throws org.kexecfs.posix.ErrnoException EBUSY, with who has it, if others have had it open for 5 s
     */
    default <T> T inTurn(Supplier<T> opens) {
        return opens.get();
    }

    /** Which kernel runs, so to speak: a word that is another after each kexec. */
    String kernel();

    /** Whether it is the emulation. */
    boolean emulated();

    /** {@code /dev/liveupdate}, or {@code emulated DIR}: what kexecfs.info shows. */
    @Override
    String toString();
}
