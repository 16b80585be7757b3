package org.kexecfs.fuse;

import java.util.Arrays;
import java.util.Collection;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Predicate;
import java.util.stream.Stream;
import jnr.constants.platform.linux.Errno;

/** The names in {@link MountModel}, as paths, and what the VFS finds on its way along them. */
final class ModelNames {
    static final String REQUIRES = "user.kexecfs.requires";

    private final Map<String, ModelEntry> names = new TreeMap<>();

    /** What a path leads to; null if it is nothing. */
    ModelEntry get(String path) {
        return names.get(path);
    }

    boolean has(String path) {
        return names.containsKey(path);
    }

    /** Whether an entry has a name still. */
    boolean have(ModelEntry entry) {
        return names.containsValue(entry);
    }

    /** Every path there is. */
    Set<String> paths() {
        return names.keySet();
    }

    /** What the names lead to: an entry of several names is there several times. */
    Collection<ModelEntry> entries() {
        return names.values();
    }

    /** One more name. */
    void put(String path, ModelEntry entry) {
        names.put(path, entry);
        touchParent(path);
    }

    /** Takes out what is so, with all its names. */
    void drop(Predicate<ModelEntry> which) {
        names.entrySet().stream()
                .filter(entry -> which.test(entry.getValue()))
                .map(Map.Entry::getKey)
                .toList()
                .forEach(this::remove);
    }

    void clear() {
        names.clear();
    }

    private static String parent(String path) {
        int slash = path.lastIndexOf('/');
        return slash < 0 ? "" : path.substring(0, slash);
    }

    private static boolean isReserved(String path) {
        return path.substring(path.lastIndexOf('/') + 1).startsWith("kexecfs.");
    }

    /** What is wrong on the way to a path's last component. */
    Optional<String> way(String path) {
        for (int slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) {
            ModelEntry thing = names.get(path.substring(0, slash));
            if (thing == null) {
                return Optional.of(Errno.ENOENT.name());
            }
            if (!thing.directory) {
                return Optional.of(Errno.ENOTDIR.name());
            }
        }
        return Optional.empty();
    }

    /** What is wrong with a path that must lead to something. */
    Optional<String> missing(String path) {
        return way(path).or(() -> names.containsKey(path) ? Optional.empty() : Optional.of(Errno.ENOENT.name()));
    }

    /** What is wrong with a path that must lead to nothing yet. */
    Optional<String> taken(String path) {
        return way(path).or(() -> names.containsKey(path) ? Optional.of(Errno.EEXIST.name()) : Optional.empty());
    }

    Optional<String> reserved(String path) {
        return isReserved(path) ? Optional.of(Errno.EPERM.name()) : Optional.empty();
    }

    private void touchParent(String path) {
        ModelEntry parent = names.get(parent(path));
        if (parent != null) {
            parent.directoryModified = ModelEntry.UNKNOWN;
        }
    }

    ModelEntry add(String path, ModelEntry thing) {
        ModelEntry parent = names.get(parent(path));
        if (parent != null && (parent.mode & 02000) != 0) {
            thing.gid = parent.gid;
            thing.mode |= thing.directory ? 02000 : 0;
        }
        put(path, thing);
        return thing;
    }

    boolean isEmpty(String directory) {
        return names.keySet().stream().noneMatch(name -> name.startsWith(directory + "/"));
    }

    void remove(String path) {
        names.remove(path);
        touchParent(path);
    }

    /** rename(2), of trees. */
    void rename(String from, String to, boolean exchange) {
        Map<String, ModelEntry> moved = take(from, to);
        Map<String, ModelEntry> other = take(to, from);
        names.putAll(moved);
        if (exchange) {
            names.putAll(other);
        }
        touchParent(from);
        touchParent(to);
    }

    /** Takes a tree out, as it is to be called elsewhere. */
    private Map<String, ModelEntry> take(String from, String to) {
        Map<String, ModelEntry> taken = new TreeMap<>();
        names.forEach((name, thing) -> {
            if (name.equals(from) || name.startsWith(from + "/")) {
                taken.put(to + name.substring(from.length()), thing);
            }
        });
        names.keySet().removeIf(name -> name.equals(from) || name.startsWith(from + "/"));
        return taken;
    }

    boolean requiresWhatIsNotThere() {
        return names.values().stream().flatMap(ModelNames::required).anyMatch(path -> !names.containsKey(path));
    }

    private static Stream<String> required(ModelEntry thing) {
        return Arrays.stream(thing.xattrs.getOrDefault(REQUIRES, "").split(" ")).filter(path -> !path.isEmpty());
    }

    boolean requiresWhatIsLost() {
        return names.entrySet().stream()
                .filter(entry -> !entry.getValue().isLost())
                .anyMatch(entry -> Stream.concat(
                                required(entry.getValue()),
                                entry.getValue().directory ? Stream.empty() : above(entry.getKey()))
                        .map(names::get)
                        .anyMatch(thing -> thing != null && thing.isLost()));
    }

    /** The files directly in the directories above that of a path, the root excepted. */
    private Stream<String> above(String path) {
        Set<String> directories = new HashSet<>();
        for (String up = parent(parent(path)); !up.isEmpty(); up = parent(up)) {
            directories.add(up);
        }
        return names.keySet().stream().filter(name -> directories.contains(parent(name)));
    }

    long links(ModelEntry thing) {
        return names.values().stream().filter(other -> other == thing).count();
    }

    /** Which paths lead to the same file, told by the first of them. */
    Map<String, String> sameFiles() {
        Map<ModelEntry, String> first = new IdentityHashMap<>();
        Map<String, String> same = new TreeMap<>();
        names.forEach((path, thing) -> same.put(path, first.computeIfAbsent(thing, t -> path)));
        return same;
    }

    long directories(String path) {
        return names.entrySet().stream()
                .filter(entry -> parent(entry.getKey()).equals(path) && entry.getValue().directory)
                .count();
    }
}
