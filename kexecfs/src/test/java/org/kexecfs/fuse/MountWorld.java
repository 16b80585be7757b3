package org.kexecfs.fuse;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.FileStatus;

/** What {@link MountModel} is a model of: a mount, files that are open in it, and memfds that are linked into it. */
final class MountWorld implements AutoCloseable {
    private final String options;
    private final Mounted mounted;
    private final int[] handles = new int[MountModel.HANDLES];
    private final List<Fd> memfds = new ArrayList<>();

    MountWorld(String options) {
        this.options = options;
        mounted = Mounted.with(options);
        Arrays.fill(handles, -1);
        for (int i = 0; i < MountModel.MEMFDS; i++) {
            memfds.add(mounted.memfd(""));
        }
    }

    boolean passthrough() {
        return mounted.read("kexecfs.info").contains("passthrough yes");
    }

    /** What kexecfs.state reads. */
    String state() {
        return mounted.state();
    }

    /** What kexecfs.error reads. */
    String error() {
        return mounted.read("kexecfs.error");
    }

    /** The descriptor of an open file; -1 if there is none. */
    int descriptor(int handle) {
        return handles[handle];
    }

    Fd memfd(int number) {
        return memfds.get(number);
    }

    /** The link source of a memfd. */
    String source(int memfd) {
        return mounted.source(memfds.get(memfd)).toString();
    }

    String path(String path) {
        return mounted.directory() + "/" + path;
    }

    String open(int handle, String path, int flags) {
        close(handle);
        handles[handle] = Calls.C.open(path(path), flags | Fd.O_CLOEXEC, 0640);
        return handles[handle] < 0 ? Calls.errno() : "0";
    }

    String close(int handle) {
        String closed = Calls.said(Calls.C.close(handles[handle]));
        handles[handle] = -1;
        return closed;
    }

    String read(int handle) {
        byte[] bytes = new byte[4096];
        long size = Calls.C.pread(handles[handle], bytes, bytes.length, 0);
        return size < 0 ? Calls.errno() : SeenEntry.show(Arrays.copyOf(bytes, (int) size));
    }

    static String write(int fd, long offset, String text) {
        byte[] bytes = Fd.utf8(text);
        return Calls.said(Calls.C.pwrite(fd, bytes, bytes.length, offset));
    }

    String fstat(int handle) {
        return answer(() -> {
            FileStatus status = FileStatus.of("/proc/self/fd/" + handles[handle]);
            return status.isDirectory()
                    ? "directory"
                    : status.links() + " " + status.size() + " of " + Integer.toOctalString(status.mode() & 07777);
        });
    }

    String command(String file, String word) {
        int fd = Calls.C.open(path(file), Fd.O_WRONLY | Fd.O_TRUNC | Fd.O_CLOEXEC, 0);
        if (fd < 0) {
            return Calls.errno();
        }
        String said = write(fd, 0, word);
        Calls.C.close(fd);
        return said.equals(Integer.toString(word.length())) ? "0" : said;
    }

    private static String answer(Supplier<String> call) {
        try {
            return call.get();
        } catch (ErrnoException e) {
            return e.errno().name();
        }
    }

    String remount() {
        for (int i = 0; i < handles.length; i++) {
            close(i);
        }
        mounted.remount(options);
        return "0";
    }

    String kexec(MountModel.Loss loss, String path) {
        String token = loss == MountModel.Loss.MANIFEST ? "0" : Calls.xattr(path(path), "user.kexecfs.token");
        return answer(() -> {
            mounted.luo().kexec();
            lose(loss, token);
            return remount();
        });
    }

    private void lose(MountModel.Loss loss, String token) {
        String part = loss == MountModel.Loss.BYTES ? "contents" : "files";
        if (loss != MountModel.Loss.NOTHING && token.matches("[0-9]+")) {
            // In whichever session it is; tokens are the same in all.
            for (Path session : sessions()) {
                try {
                    Files.deleteIfExists(session.resolve(part).resolve(token));
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            }
        }
    }

    private List<Path> sessions() {
        try (Stream<Path> incoming = Files.list(mounted.emulation().resolve("current/incoming"))) {
            return incoming.toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Every path of an entry. */
    Set<String> paths() {
        Set<String> all = new TreeSet<>();
        list("", all);
        return all;
    }

    private void list(String directory, Set<String> into) {
        try (Stream<Path> names = Files.list(Path.of(path(directory)))) {
            for (Path name : names.toList()) {
                String path = directory + name.getFileName();
                if (path.startsWith("kexecfs.")) {
                    continue;
                }
                assertEquals(true, into.add(path), path + " is listed once");
                if (FileStatus.of(name.toString()).isDirectory()) {
                    list(path + "/", into);
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** What a path leads to, as {@link MountModel#show} tells it. */
    String show(String path, MountModel model) {
        return answer(() -> {
            FileStatus status = FileStatus.of(path(path));
            Map<String, String> xattrs = new TreeMap<>(Calls.xattrs(path(path)));
            xattrs.remove("user.kexecfs.token");
            return new SeenEntry(
                            status.isDirectory(),
                            status.mode() & 07777,
                            status.uid() + ":" + status.gid(),
                            status.links(),
                            status.size(),
                            model.isTimed(path) ? status.modified().seconds() : -1,
                            xattrs,
                            model.isReadable(path) ? content(path) : "")
                    .toString();
        });
    }

    private String content(String path) {
        byte[] bytes = new byte[4096];
        try (Fd file = Fd.open(path(path), Fd.O_RDONLY, 0)) {
            return SeenEntry.show(Arrays.copyOf(bytes, file.pread(bytes, 0)));
        }
    }

    Map<String, String> sameFiles(Set<String> paths) {
        Map<Long, String> first = new LinkedHashMap<>();
        Map<String, String> same = new TreeMap<>();
        for (String path : paths) {
            long inode = FileStatus.of(path(path)).id().inode();
            same.put(path, first.computeIfAbsent(inode, i -> path));
        }
        return same;
    }

    @Override
    public void close() {
        for (int handle : handles) {
            Calls.C.close(handle);
        }
        mounted.close();
    }
}
