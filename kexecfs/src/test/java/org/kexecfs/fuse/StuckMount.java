package org.kexecfs.fuse;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import jnr.ffi.Pointer;
import org.kexecfs.mount.FuseMount;
import org.kexecfs.mount.MountOptions;
import org.kexecfs.mount.MountPoint;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.FileStatus;
import ru.serce.jnrfuse.struct.FileStat;

/** A FUSE filesystem with one file, whose close(2) waits until it is released. */
final class StuckMount implements AutoCloseable {
    /** How many of its requests are served at once. */
    static final int MOST_REQUESTS = 4;

    private final Semaphore closing = new Semaphore(0);
    private final CountDownLatch released = new CountDownLatch(1);
    private final MountPoint point;
    private final FuseMount mount;
    private final FuseChannel channel;
    private final Path directory;
    private final List<Fd> opened = new CopyOnWriteArrayList<>();

    StuckMount(Path directory) throws java.io.IOException {
        this.directory = Files.createDirectory(directory);
        LibFuse.load();
        mount = FuseMount.create("stuck", MountOptions.parse("emulate=/nowhere"));
        point = MountPoint.open(directory);
        point.attach(mount).ifPresent(Fd::close);
        FuseOperations o = new FuseOperations(LibFuse.runtime());
        o.getattr.set((path, status) -> getattr(path, status));
        o.open.set((path, file) -> 0);
        o.flush.set((path, file) -> flush());
        channel = FuseChannel.start(
                mount.device(),
                new FuseChannel.Filesystem() {
                    @Override
                    public FuseOperations operations() {
                        return o;
                    }

                    @Override
                    public void serving(Runnable request) {
                        request.run();
                    }
                },
                new Completion(new Passthrough(mount.device()), new Rename2(), new Validity(mount.device())),
                List.of("direct_io"),
                MOST_REQUESTS);
    }

    private static int getattr(Pointer path, Pointer status) {
        FileStat stat = FileStat.of(status);
        boolean root = path.getByte(1) == 0;
        stat.st_mode.set(root ? FileStatus.S_IFDIR | 0777 : FileStatus.S_IFREG | 0666);
        stat.st_nlink.set(1);
        return 0;
    }

    private int flush() {
        closing.release();
        try {
            released.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        return 0;
    }

    /** Opens its file; closed with this, after the release: whatever a test finds, it does not hang. */
    Fd open() {
        Fd file = Fd.open(directory.resolve("f").toString(), Fd.O_RDWR, 0);
        opened.add(file);
        return file;
    }

    /** Waits until somebody closes the file. */
    void awaitClose() throws InterruptedException {
        awaitCloses(1);
    }

    /** Waits until so many are closing it at once. */
    void awaitCloses(int count) throws InterruptedException {
        assertTrue(closing.tryAcquire(count, 10, TimeUnit.SECONDS), "nobody closes the file");
    }

    /** How many more are closing it than were waited for. */
    int closes() {
        return closing.availablePermits();
    }

    /** Lets every close(2) return. */
    void release() {
        released.countDown();
    }

    @Override
    public void close() {
        release();
        opened.forEach(Fd::close);
        point.detach(mount);
        channel.close();
        mount.close();
    }
}
