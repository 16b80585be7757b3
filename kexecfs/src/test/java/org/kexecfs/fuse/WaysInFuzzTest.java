package org.kexecfs.fuse;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.Random;
import java.util.function.BiConsumer;
import jnr.constants.platform.linux.Errno;
import jnr.ffi.Pointer;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.Messages;
import org.kexecfs.posix.Messages.Message;
import org.kexecfs.posix.Sockets;

/**
 * Random bytes into every way in of a real mount, 120,000 of them: each is answered, none with EIO, which would be a fault of
 * ours, and no descriptor, entry or memory is left. The seed is in the output: set KEXECFS_SEED to run it again.
 */
class WaysInFuzzTest {
    private static final int MESSAGES = 60_000;
    private static final int WRITES = 30_000;
    private static final int IOCTLS = 30_000;

    private final long seed = Long.getLong("KEXECFS_SEED", System.nanoTime());
    private final Random random = new Random(seed);

    /** Words of each way, so that not all is refused at the first byte. */
    private static final String[] WORDS = {
        "1",
        " ",
        "preserve",
        "open",
        "r",
        "rw",
        "f",
        "g",
        "d/",
        "/",
        "..",
        "\n",
        "\0",
        "3",
        "0",
        "99999999",
        "kexecfs.",
        "-",
        "\u00ff"
    };

    private byte[] bytes(int most) {
        if (random.nextInt(4) == 0) {
            byte[] bytes = new byte[1 + random.nextInt(most)];
            random.nextBytes(bytes);
            return bytes;
        }
        StringBuilder text = new StringBuilder();
        for (int i = random.nextInt(8); i >= 0; i--) {
            text.append(WORDS[random.nextInt(WORDS.length)]);
            if (random.nextInt(2) == 0) {
                text.append(' ');
            }
        }
        byte[] bytes = text.toString().getBytes(StandardCharsets.ISO_8859_1);
        return java.util.Arrays.copyOf(bytes, Math.min(bytes.length, most));
    }

    private void fuzz(BiConsumer<Mounted, Fd> inputs) {
        System.out.println(getClass().getSimpleName() + ": -DKEXECFS_SEED=" + seed);
        try (Mounted m = Mounted.with("")) {
            m.sh("mkdir d; echo x > f").succeeded();
            Fd memfd = m.memfd("sent");
            long files = files();
            long heap = heap();
            inputs.accept(m, memfd);
            Awaitility.await().until(() -> files() <= files);
            assertTrue(heap() < heap + (16 << 20), "the heap grew from " + heap + " to " + heap() + " bytes");
            assertEquals("normal", m.state());
            m.sh("cat f; ls -la d > /dev/null").succeeded();
        }
    }

    private static long files() {
        return new java.io.File("/proc/self/fd").list().length;
    }

    private static long heap() {
        System.gc();
        return Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
    }

    /** A try, and that a failure is the input's. */
    private static boolean succeeds(Runnable call) {
        try {
            call.run();
            return true;
        } catch (ErrnoException e) {
            assertTrue(!e.is(Errno.EIO), e.getMessage());
            return false;
        }
    }

    /** Names that came about are taken away: they have descriptors. */
    private static void clean(Mounted m) {
        m.sh("find . -mindepth 1 -maxdepth 2 -type f ! -path './kexecfs.*' ! -path ./f -delete")
                .succeeded();
    }

    @Test
    void theSocket() {
        fuzz((m, memfd) -> {
            Messages messages = new Messages(8192);
            Fd connection = Sockets.connect(m.path("kexecfs.sock").toString());
            try {
                for (int i = 0; i < MESSAGES; i++) {
                    byte[] text = bytes(6000);
                    Optional<Fd> with = random.nextInt(3) == 0 ? Optional.of(memfd) : Optional.empty();
                    if (text.length == 0) {
                        continue;
                    }
                    messages.send(connection, text, with);
                    Message answer = messages.receive(connection).orElseThrow();
                    answer.files().forEach(Fd::close);
                    String said = new String(answer.bytes(), StandardCharsets.UTF_8);
                    assertTrue(said.equals("1 ok") || said.startsWith("1 error E"), said);
                    assertTrue(!said.startsWith("1 error EIO"), said);
                }
            } finally {
                connection.close();
            }
            clean(m);
        });
    }

    @Test
    void thePreserveFile() {
        fuzz((m, memfd) -> {
            try (Fd file = Fd.open(m.path("kexecfs.preserve").toString(), Fd.O_WRONLY, 0)) {
                for (int i = 0; i < WRITES; i++) {
                    byte[] text = bytes(6000);
                    if (text.length > 0 && succeeds(() -> file.pwrite(text, 0))) {
                        clean(m);
                    }
                }
            }
        });
    }

    @Test
    void theIoctls() {
        fuzz((m, memfd) -> {
            Pointer data = Fd.allocate(1 << 14);
            try (Fd root = Fd.open(m.directory().toString(), Fd.O_RDONLY, 0);
                    Fd state = Fd.open(m.path("kexecfs.state").toString(), Fd.O_RDONLY, 0);
                    Fd finish = Fd.open(m.path("kexecfs.finish").toString(), Fd.O_WRONLY, 0);
                    Fd entry = Fd.open(m.path("f").toString(), Fd.O_RDWR, 0)) {
                Fd[] files = {root, state, finish, entry};
                for (int i = 0; i < IOCTLS; i++) {
                    byte[] text = bytes(300);
                    data.put(0, text, 0, text.length);
                    long number = number();
                    if (random.nextBoolean()) {
                        data.putInt(0, (int) (number >> 16 & 0x3fff));
                        data.putInt(4, random.nextBoolean() ? memfd.number() : random.nextInt(4));
                    }
                    Fd on = files[random.nextInt(files.length)];
                    if (succeeds(() -> on.ioctl(number, data, "random")) && (int) number == Ioctl.PREPARE.number()) {
                        root.ioctl(Ioctl.CANCEL.number(), null, "CANCEL");
                    }
                }
            }
            clean(m);
        });
    }

    /** Ours as it is or with one bit wrong, or anything of FUSE's restricted kind. */
    private long number() {
        int ours = Ioctl.values()[random.nextInt(Ioctl.values().length)].number();
        return switch (random.nextInt(3)) {
            case 0 -> ours & 0xffffffffL;
            case 1 -> (ours ^ 1 << random.nextInt(32)) & 0xffffffffL;
            default -> (random.nextInt() & ~0xff00 | 0xbe00) & 0xffffffffL;
        };
    }
}
