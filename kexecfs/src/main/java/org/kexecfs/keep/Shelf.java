package org.kexecfs.keep;

import java.time.Duration;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.kexecfs.luo.LiveUpdate;
import org.kexecfs.luo.LiveUpdateSession;
import org.kexecfs.posix.Fd;

/**
 * One session's part of a {@link Keep}: names here are its own.
 *
 * @param keep who holds it
 * @param name what tells it from other sessions' shelves: printable ASCII, no {@code :} and no {@code /}
 */
public record Shelf(Keep keep, String name) {
    /** A shelf for a session that nobody keeps. */
    public static Shelf none() {
        return new Shelf(Keep.none(), "none");
    }

    /** All shelves with something that was found on them. */
    public static Map<String, Shelf> found(Keep keep) {
        return keep.found().keySet().stream()
                .filter(name -> name.indexOf('/') > 0)
                .map(name -> name.substring(0, name.indexOf('/')))
                .distinct()
                .collect(Collectors.toMap(name -> name, name -> new Shelf(keep, name), (one, _) -> one, TreeMap::new));
    }

    /** {@link Keep#found}, by the names here. */
    public Map<String, Fd> found() {
        Map<String, Fd> found = new TreeMap<>();
        keep.found(name + "/").forEach((key, file) -> found.put(key.substring(name.length() + 1), file));
        return found;
    }

    /** {@link Keep#park(Map)}. */
    public void park(Map<String, Fd> files) {
        keep.park(files.entrySet().stream().collect(Collectors.toMap(file -> key(file.getKey()), Map.Entry::getValue)));
    }

    /** {@link Keep#park(String, Fd)}. */
    public void park(String what, Fd file) {
        keep.park(key(what), file);
    }

    /** {@link Keep#retrieve}. */
    LiveUpdateSession retrieve(String what, LiveUpdate luo, String session) {
        return keep.retrieve(key(what), luo, session);
    }

    /** {@link Keep#release}. */
    public void release(String what) {
        keep.release(key(what));
    }

    /** Everything is held no longer: the session ends with this process, however that ends. */
    public void releaseAll() {
        keep.releaseAll(name + "/");
    }

    /** {@link Keep#settle}. */
    public void settle() {
        keep.settle();
    }

    /** {@link Keep#drop}. */
    void drop(String what) {
        keep.drop(key(what));
    }

    /** {@link Keep#awaitDropped}. */
    boolean awaitDropped(String prefix, Duration patience) {
        return keep.awaitDropped(key(prefix), patience);
    }

    /** {@link Keep#catchUp}. */
    public void catchUp() {
        keep.catchUp();
    }

    private String key(String what) {
        return name + "/" + what;
    }
}
