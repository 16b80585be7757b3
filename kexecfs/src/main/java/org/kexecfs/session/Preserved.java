package org.kexecfs.session;

import java.util.Collection;
import java.util.function.Consumer;
import org.kexecfs.keep.KeptLiveUpdate;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;

/**
 * What LUO has of a session, to carry it to the next kernel. Two ways: all at prepare ({@link AtPrepare}), or each file
 * as soon as it is linked or closed ({@link AtLink}).
 *
 * <p>Its life: {@link #begin} takes the session's name in LUO, when the session begins and again when what the kernel
 * before left was accepted; {@link #close} lets LUO drop everything. Guarded by the session's lock.
 */
sealed interface Preserved extends AutoCloseable permits AtPrepare, AtLink {
    /** LUO's token of the manifest. */
    long MANIFEST = 0;

    /** Whether LUO has each file at all times, and not only from prepare on. */
    boolean isEachAtOnce();

    /**
     * Takes the session's name, and hands over what LUO has from now on.
     *
     * @throws ErrnoException as {@link org.kexecfs.luo.LiveUpdate#createSession} and preserve: LUO has nothing then
     */
    void begin(Fd manifest);

    /**
     * The manifest is in another file from now on; if LUO has the one before, it has this one before it lets that go.
     *
     * @throws ErrnoException as {@link #begin}: LUO has what it had
     */
    void replaceManifest(Fd manifest);

    /** Whether LUO has what is under this token, and the size of that file stands still. */
    boolean holds(long token);

    /**
     * Hands a file over, if each is at once and LUO takes any: not before {@link #begin}. If LUO has it that is nothing.
     *
     * @throws ErrnoException LUO's errno: it does not have the file
     */
    void hold(Entry entry);

    /** LUO lets a file go, if it has it alone: its size can change again. */
    void letGo(long token);

    /**
     * LUO has everything, or what it had.
     *
     * @param manifest goes under token 0
     * @param entries go under their own tokens, in this order
     * @param onRefusal is told of an entry that LUO does not take, and may throw that: else the others are handed over
     * @throws ErrnoException LUO's errno
     */
    void prepare(Fd manifest, Collection<Entry> entries, Consumer<EntryRefused> onRefusal);

    /**
     * LUO has what it had before {@link #prepare}, or more, once what was closed for that has ended ({@link KeptLiveUpdate#settle}):
     * nothing keeps entries from changing then. {@link #reserve} is to follow.
     */
    void cancel();

    /**
     * Takes the session's name, if a {@link #cancel} has let that go.
     *
     * @throws ErrnoException as {@link org.kexecfs.luo.LiveUpdate#createSession}: it is taken at the next {@link #prepare}
     */
    void reserve();

    /**
     * Closes what was found of the session and is not to be gone on with, before it is {@link #resume resumed}: so that the names are
     * free by then.
     *
     * @param luo with the sessions that were found
     * @param prepared whether it had reached that
     */
    void tidy(KeptLiveUpdate luo, boolean prepared);

    /**
     * Goes on with what LUO has of the session since another process handed it over: in place of {@link #begin}, or before
     * it.
     *
     * @param luo with the sessions that were found; {@link #tidy tidied}
     * @param manifest the one that counts
     * @return whether LUO has everything that it is to have when it is prepared
     * @throws ErrnoException as {@link #begin}
     */
    boolean resume(KeptLiveUpdate luo, Fd manifest);

    /** Lets LUO drop everything. Again is nothing. */
    @Override
    void close();
}
