package org.kexecfs.session;

import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.keep.KeptLiveUpdate;
import org.kexecfs.luo.LiveUpdate;
import org.kexecfs.luo.LiveUpdateSession;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;

/**
 * LUO has the manifest from the beginning, and each file as soon as it is linked or closed.
 *
 * <p>LUO cannot be asked to give up one file of many, so each has a LUO session of its own, and one file can be taken back
 * while the others stay. The sessions, for a session {@code vm}:
 *
 * <pre>
 * vm          nothing: it keeps the name
 * vm/a, vm/b  one of them, the manifest, under token 0; for a moment both, when it moves to another file
 * vm/17       the file of entry 17, under token 17
 * </pre>
 */
final class AtLink implements Preserved {
    /** Bytes of the longest part that is put behind a session's name: a slash, and a token of 19 digits. */
    private static final int LONGEST_PART = 20;

    private static final int LONGEST_NAME = 63 - LONGEST_PART;

    private static final String[] MANIFESTS = {"a", "b"};

    private final LiveUpdate luo;
    private final String name;
    private final Map<Long, LiveUpdateSession> files = new TreeMap<>();

    /** What keeps the name; null before the beginning. */
    private LiveUpdateSession reserved;

    /** What has the manifest; null before the beginning. */
    private LiveUpdateSession manifest;

    /** Which of {@link #MANIFESTS} is free. */
    private int free;

    /**
     * Nothing yet.
     *
     * @throws ErrnoException EINVAL if the name leaves no room for a token behind it
     */
    AtLink(LiveUpdate luo, String name) {
        int bytes = Fd.utf8(name).length;
        if (bytes > LONGEST_NAME) {
            throw new ErrnoException(
                    Errno.EINVAL,
                    "session name '" + name + "' has " + bytes + " bytes, and with preserve=link " + LONGEST_NAME
                            + " is the most, for each of its files has a LUO session named after it");
        }
        this.luo = luo;
        this.name = name;
    }

    /** The LUO session of a session's entry. */
    static String part(String name, long token) {
        return name + "/" + token;
    }

    /** The LUO sessions that a session's manifest may be in. */
    static String[] manifestParts(String name) {
        return new String[] {name + "/" + MANIFESTS[0], name + "/" + MANIFESTS[1]};
    }

    @Override
    public boolean isEachAtOnce() {
        return true;
    }

    @Override
    public void begin(Fd memfd) {
        if (reserved == null) {
            reserved = luo.createSession(name);
        }
        if (manifest == null) {
            manifest = preserved(manifestParts(name)[free], memfd, MANIFEST);
            free = 1 - free;
        }
    }

    @Override
    public void replaceManifest(Fd memfd) {
        if (manifest != null) {
            LiveUpdateSession old = manifest;
            manifest = preserved(manifestParts(name)[free], memfd, MANIFEST);
            free = 1 - free;
            old.close();
        }
    }

    @Override
    public boolean holds(long token) {
        return token == MANIFEST ? manifest != null : files.containsKey(token);
    }

    @Override
    public void hold(Entry entry) {
        if (manifest != null && !holds(entry.token())) {
            entry.file()
                    .ifPresent(file ->
                            files.put(entry.token(), preserved(part(name, entry.token()), file, entry.token())));
        }
    }

    private LiveUpdateSession preserved(String session, Fd file, long token) {
        LiveUpdateSession fresh = luo.createSession(session);
        try {
            fresh.preserve(file, token);
            return fresh;
        } catch (RuntimeException e) {
            fresh.close();
            throw e;
        }
    }

    @Override
    public void letGo(long token) {
        LiveUpdateSession session = files.remove(token);
        if (session != null) {
            session.close();
        }
    }

    /** What was handed over stays so if a later one is refused: it does no harm. */
    @Override
    public void prepare(Fd memfd, Collection<Entry> entries, Consumer<EntryRefused> onRefusal) {
        begin(memfd);
        for (Entry entry : entries) {
            try {
                hold(entry);
            } catch (ErrnoException e) {
                onRefusal.accept(new EntryRefused(entry.token(), e));
            }
        }
    }

    @Override
    public void cancel() {
        // Whatever LUO has it may keep: a file that is to change is taken back then.
    }

    @Override
    public void reserve() {
        // It has never been let go.
    }

    /** What was killed before LUO had the file has none; and one manifest is enough. */
    @Override
    public void tidy(KeptLiveUpdate found, boolean prepared) {
        found.closeFound(session ->
                token(session.name()).filter(token -> !session.holds(token)).isPresent());
        Set<String> manifests = new HashSet<>(List.of(manifestParts(name)));
        AtomicBoolean isThere = new AtomicBoolean();
        found.closeFound(session ->
                manifests.contains(session.name()) && !(session.holds(MANIFEST) && isThere.compareAndSet(false, true)));
    }

    /** Whose file is in a session of this name. */
    private Optional<Long> token(String part) {
        return part.matches(Pattern.quote(name) + "/[0-9]+")
                ? Optional.of(Long.parseLong(part.substring(name.length() + 1)))
                : Optional.empty();
    }

    @Override
    public boolean resume(KeptLiveUpdate found, Fd memfd) {
        reserved = found.found(name).orElse(null);
        for (String part : found.foundNames()) {
            token(part).ifPresent(token -> files.put(token, found.found(part).orElseThrow()));
        }
        resumeManifest(found, memfd);
        return reserved != null && manifest != null;
    }

    /**
     * Whatever was found has what is in the manifest now, but maybe in the file before: and nobody can be asked which. LUO
     * has it at all times.
     */
    private void resumeManifest(KeptLiveUpdate found, Fd memfd) {
        String[] parts = manifestParts(name);
        for (int i = 0; i < parts.length; i++) {
            Optional<LiveUpdateSession> session = found.found(parts[i]);
            if (session.isPresent()) {
                manifest = session.get();
                free = 1 - i;
            }
        }
        try {
            replaceManifest(memfd);
        } catch (ErrnoException e) {
            // It has this very file.
            if (!e.is(Errno.EBUSY)) {
                throw e;
            }
        }
    }

    /** The manifest last: a kexec in between finds it, and it says what else there was. */
    @Override
    public void close() {
        files.values().forEach(LiveUpdateSession::close);
        files.clear();
        if (manifest != null) {
            manifest.close();
            manifest = null;
        }
        if (reserved != null) {
            reserved.close();
            reserved = null;
        }
    }
}
