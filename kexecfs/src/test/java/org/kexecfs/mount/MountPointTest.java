package org.kexecfs.mount;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.FileStatus;
import org.kexecfs.posix.Mounts;

/** Mounting where a mount is whose server died. Needs root and /dev/fuse. */
class MountPointTest {
    private static final int TIMES = 30;

    @TempDir
    private Path directory;

    private volatile boolean over;

    @Test
    void aDeadMountIsReplaced_andAtNoMomentIsTheDirectoryBelowSeen() throws Exception {
        long below = device();
        mountDead();
        CountDownLatch looking = new CountDownLatch(1);
        CompletableFuture<Boolean> seen = CompletableFuture.supplyAsync(() -> {
            boolean bare = false;
            while (!over && !bare) {
                bare = device() == below;
                looking.countDown();
            }
            return bare;
        });
        looking.await();
        for (int i = 0; i < TIMES; i++) {
            mountDead();
        }
        over = true;
        assertEquals(false, seen.get());
        assertNotEquals(below, device());

        Mounts.detach(directory);
        assertEquals(below, device(), "one of them was not replaced");
    }

    @AfterEach
    void detachAll() {
        while (MountTable.at(directory).isPresent()) {
            Mounts.detach(directory);
        }
    }

    private void mountDead() {
        try (FuseMount mount = FuseMount.create("dead", MountOptions.parse("emulate=/nowhere"));
                MountPoint point = MountPoint.open(directory)) {
            point.attach(mount).ifPresent(Fd::close);
        }
    }

    private long device() {
        return FileStatus.known(directory.toString()).id().device();
    }
}
