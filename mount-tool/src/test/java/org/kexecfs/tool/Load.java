package org.kexecfs.tool;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.nio.file.attribute.UserDefinedFileAttributeView;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.function.UnaryOperator;
import org.kexecfs.posix.Fd;
import org.kexecfs.tool.Contents.Inode;
import org.kexecfs.tool.Contents.Span;

/**
 * Somebody who works in a mounted session, an operation after the other, and knows what was acknowledged.
 *
 * <p>An operation that fails because the server was killed was done or was not: the next {@link #check} finds out which. Used
 * by one thread at a time.
 */
final class Load implements AutoCloseable {
    private static final int FILES = 12;
    private static final int LARGEST = 6000;

    /** What a mount answers whose server was killed: strerror(3) of ENOTCONN, ECONNABORTED. */
    private static final Set<String> KILLED =
            Set.of("Transport endpoint is not connected", "Software caused connection abort");

    private final Path mount;
    private final Random random;

    /** Open files of ours that were handed to the session. */
    private final Map<String, Fd> own = new HashMap<>();

    /** What may be there: one, unless an operation was killed. */
    private List<Seen> possible;

    private int number;

    /**
     * A session.
     *
     * @param state what kexecfs.state says
     */
    record Seen(String state, Contents contents) {}

    private interface Action {
        void run() throws IOException;
    }

    /** Begins with what is there, which must be acknowledged. */
    Load(Path mount, Random random) throws IOException {
        this.mount = mount;
        this.random = random;
        this.possible = List.of(seen());
    }

    private Seen seen() throws IOException {
        return new Seen(Files.readString(mount.resolve("kexecfs.state")).strip(), Contents.of(mount));
    }

    private Contents contents() {
        return possible.getFirst().contents();
    }

    String state() {
        return possible.getFirst().state();
    }

    /**
     * One operation.
     *
     * @return false if the server was killed meanwhile
     */
    boolean step() {
        switch (state()) {
            case "prepared" -> inPlaceOrCancel();
            case "updated" -> {
                if (random.nextInt(40) == 0) {
                    transit("kexecfs.finish", "normal");
                } else {
                    change();
                }
            }
            default -> {
                if (random.nextInt(12) == 0) {
                    transit("kexecfs.prepare", "prepared");
                } else {
                    change();
                }
            }
        }
        return possible.size() == 1;
    }

    /** Brings it into state prepared. */
    void prepare() throws IOException {
        if (state().equals("updated")) {
            Files.writeString(mount.resolve("kexecfs.finish"), "1");
        } else if (state().equals("prepared")) {
            // What is written in place now has a time that LUO does not keep.
            Files.writeString(mount.resolve("kexecfs.cancel"), "1");
        }
        Files.writeString(mount.resolve("kexecfs.prepare"), "1");
        possible = List.of(new Seen("prepared", contents()));
    }

    /** It came through a kexec: what is ours is not what is in there any more. */
    void updated() {
        own.values().forEach(Fd::close);
        own.clear();
        possible = List.of(new Seen("updated", contents()));
    }

    private void transit(String control, String next) {
        attempt(() -> Files.writeString(mount.resolve(control), "1"), new Seen(next, contents()), Set.of());
    }

    private void inPlaceOrCancel() {
        if (random.nextInt(4) == 0) {
            transit("kexecfs.cancel", "normal");
            return;
        }
        String name = "f" + random.nextInt(FILES);
        if (contents().has(name) && !contents().at(name).bytes().isEmpty()) {
            String bytes = contents().at(name).bytes();
            int at = random.nextInt(bytes.length());
            write(name, at, text(1 + random.nextInt(bytes.length() - at)));
        }
    }

    private void change() {
        String name = "f" + random.nextInt(FILES);
        if (!contents().has(name)) {
            make(name);
            return;
        }
        int length = contents().at(name).bytes().length();
        Path path = mount.resolve(name);
        switch (random.nextInt(14)) {
            case 0, 1, 2 -> write(name, length, text(1 + random.nextInt(200)));
            // No holes: to fill them at a prepare the emulation, unlike the kernel, changes the time for a moment.
            case 3 -> write(name, random.nextInt(length + 1), text(1 + random.nextInt(3000)));
            case 4 -> truncate(name, random.nextInt(LARGEST));
            case 5 -> remove(name);
            case 6 -> {
                Set<PosixFilePermission> mode =
                        PosixFilePermissions.fromString(random.nextBoolean() ? "rw-r-----" : "rwxr-xr-x");
                int bits = mode.size() == 3 ? 0640 : 0755;
                attempt(() -> Files.setPosixFilePermissions(path, mode), name, inode -> inode.withMode(bits));
            }
            case 7 -> {
                int uid = random.nextInt(5);
                attempt(
                        () -> Files.setAttribute(path, "unix:uid", uid),
                        name,
                        inode -> inode.withOwner(uid, inode.gid()));
            }
            case 8 -> {
                int gid = random.nextInt(5);
                attempt(
                        () -> Files.setAttribute(path, "unix:gid", gid),
                        name,
                        inode -> inode.withOwner(inode.uid(), gid));
            }
            case 9 -> {
                Instant time =
                        Instant.ofEpochSecond(random.nextInt(Integer.MAX_VALUE), random.nextInt(1_000_000) * 1000L);
                attempt(
                        () -> Files.setLastModifiedTime(path, FileTime.from(time)),
                        name,
                        inode -> inode.with(Span.exactly(time)));
            }
            case 10 -> {
                String value = text(random.nextInt(30));
                attempt(
                        () -> attributes(path).write("colour", bytes(value)),
                        name,
                        inode -> inode.withAttribute("colour", value));
            }
            case 11 -> {
                if (contents().at(name).attributes().containsKey("colour")) {
                    attempt(() -> attributes(path).delete("colour"), name, inode -> inode.withoutAttribute("colour"));
                }
            }
            case 12 -> link(name);
            default -> move(name);
        }
    }

    private void make(String name) {
        forget(name);
        Span now = Span.since(Instant.now());
        if (random.nextInt(4) == 0) {
            preserve(name);
            return;
        }
        attempt(
                () -> Files.createFile(
                        mount.resolve(name),
                        PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"))),
                new Seen(state(), contents().with(name, Inode.file(0600, now)).changed("", root -> root.with(now))),
                Set.of(name, ""));
    }

    /** A file of our own becomes an entry. */
    private void preserve(String name) {
        Fd file = Fd.memfd(name);
        String text = text(1 + random.nextInt(LARGEST));
        file.pwrite(text.getBytes(StandardCharsets.ISO_8859_1), 0);
        Span now = Span.since(Instant.now());
        attempt(
                () -> Files.writeString(mount.resolve("kexecfs.preserve"), file.number() + " " + name),
                new Seen(
                        state(),
                        contents()
                                .with(name, Inode.file(0600, now).with(text, now))
                                .changed("", root -> root.with(now))),
                Set.of(name, ""));
        own.put(name, file);
    }

    /** What is written through an open file of ours is acknowledged, whoever serves the mount. */
    private void write(String name, int at, String text) {
        Span now = Span.since(Instant.now());
        byte[] bytes = text.getBytes(StandardCharsets.ISO_8859_1);
        String before = contents().at(name).bytes();
        String filled = before + "\0".repeat(Math.max(0, at - before.length()));
        String after = filled.substring(0, at)
                + text
                + (at + text.length() < filled.length() ? filled.substring(at + text.length()) : "");
        Fd ours = own.get(name);
        attempt(
                () -> {
                    if (ours == null) {
                        writeHere(name, at, bytes);
                    } else {
                        ours.pwrite(bytes, at);
                    }
                },
                name,
                inode -> inode.with(after, now),
                Set.of(name));
    }

    private void writeHere(String name, int at, byte[] bytes) throws IOException {
        try (FileChannel channel = FileChannel.open(mount.resolve(name), StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.wrap(bytes), at);
        }
    }

    private void truncate(String name, int length) {
        Span now = Span.since(Instant.now());
        String before = contents().at(name).bytes();
        if (length < before.length()) {
            attempt(
                    () -> {
                        try (FileChannel channel = FileChannel.open(mount.resolve(name), StandardOpenOption.WRITE)) {
                            channel.truncate(length);
                        }
                    },
                    name,
                    inode -> inode.with(before.substring(0, length), now),
                    Set.of(name));
        }
    }

    private void remove(String name) {
        Span now = Span.since(Instant.now());
        attempt(
                () -> Files.delete(mount.resolve(name)),
                new Seen(state(), contents().without(name).changed("", root -> root.with(now))),
                Set.of(""));
        forget(name);
    }

    private void link(String name) {
        String other = "f" + random.nextInt(FILES);
        Span now = Span.since(Instant.now());
        if (!contents().has(other)) {
            forget(other);
            attempt(
                    () -> Files.createLink(mount.resolve(other), mount.resolve(name)),
                    new Seen(state(), contents().withLink(name, other).changed("", root -> root.with(now))),
                    Set.of(""));
        }
    }

    private void move(String name) {
        String other = "f" + random.nextInt(FILES);
        if (contents().names().get(name).equals(contents().names().get(other))) {
            return;
        }
        Span now = Span.since(Instant.now());
        attempt(
                () -> Files.move(
                        mount.resolve(name),
                        mount.resolve(other),
                        StandardCopyOption.REPLACE_EXISTING,
                        StandardCopyOption.ATOMIC_MOVE),
                new Seen(state(), contents().moved(name, other).changed("", root -> root.with(now))),
                Set.of(""));
        forget(name);
        forget(other);
    }

    private void forget(String name) {
        Fd file = own.remove(name);
        if (file != null) {
            file.close();
        }
    }

    private void attempt(Action action, String name, UnaryOperator<Inode> change) {
        attempt(action, name, change, Set.of());
    }

    private void attempt(Action action, String name, UnaryOperator<Inode> change, Set<String> names) {
        attempt(action, new Seen(state(), contents().changed(name, change)), names);
    }

    /** Does it, and knows afterwards: it is done, or it may be. */
    private void attempt(Action action, Seen after, Set<String> names) {
        Seen before = possible.getFirst();
        number++;
        try {
            action.run();
        } catch (IOException e) {
            requireKilled(e);
            possible = List.of(before, after);
            return;
        }
        possible = List.of(after);
        try {
            for (String name : names) {
                Instant time = Files.getLastModifiedTime(mount.resolve(name), LinkOption.NOFOLLOW_LINKS)
                        .toInstant();
                requireIn(name, time);
                settle(name, Span.exactly(time));
            }
        } catch (IOException e) {
            requireKilled(e);
            // It is done, and when is for the check to see; there is nobody to go on with.
            possible = List.of(after, after);
        }
    }

    private void requireIn(String name, Instant time) {
        if (!contents().at(name).modified().contains(Span.exactly(time))) {
            throw new AssertionError(mount.resolve(name) + " was modified at " + time + ", and not at "
                    + contents().at(name).modified());
        }
    }

    private void settle(String name, Span time) {
        possible = List.of(new Seen(state(), contents().changed(name, inode -> inode.with(time))));
    }

    private void requireKilled(IOException e) {
        boolean killed =
                KILLED.stream().anyMatch(words -> String.valueOf(e.getMessage()).contains(words));
        if (!killed) {
            throw new AssertionError("operation " + number + " in " + mount + " failed, and not because of a kill", e);
        }
    }

    /**
     * Looks for all that was acknowledged.
     *
     * @throws AssertionError with all that is not as it was
     */
    void check(String when) throws IOException {
        Seen seen = seen();
        List<String> told = new ArrayList<>();
        for (Seen one : possible) {
            List<String> differences = new ArrayList<>(one.contents().differences(seen.contents()));
            if (!one.state().equals(seen.state())) {
                differences.add("state is " + seen.state() + ", and not " + one.state());
            }
            if (differences.isEmpty()) {
                Contents found = one.contents();
                for (String name : found.names().keySet()) {
                    if (!found.at(name).modified().isExact()) {
                        found = found.changed(
                                name,
                                inode -> inode.with(seen.contents().at(name).modified()));
                    }
                }
                possible = List.of(new Seen(one.state(), found));
                return;
            }
            told.add(String.join("\n  ", differences));
        }
        throw new AssertionError(
                when + ", operation " + number + " in " + mount + ":\n  " + String.join("\nor\n  ", told));
    }

    private static UserDefinedFileAttributeView attributes(Path path) {
        return Files.getFileAttributeView(path, UserDefinedFileAttributeView.class);
    }

    private static ByteBuffer bytes(String text) {
        return ByteBuffer.wrap(text.getBytes(StandardCharsets.ISO_8859_1));
    }

    private String text(int length) {
        StringBuilder text = new StringBuilder(length);
        for (int i = 0; i < length; i++) {
            text.append((char) ('a' + random.nextInt(26)));
        }
        return text.toString();
    }

    @Override
    public void close() {
        own.values().forEach(Fd::close);
    }
}
