package org.kexecfs.guest;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * The image of a guest's root, in a directory of its own; closing it deletes it.
 *
 * @param image the image
 */
public record GuestRoot(Path image) implements AutoCloseable {

    /**
     * A file or directory of this machine that a guest is to have.
     *
     * @param source where it is here
     * @param target where it is to be there
     */
    public record Addition(Path source, String target) {}

    /**
     * A root with the packaged kexecfs.
     *
     * @param kernel the kernel that the guest goes to by kexec
     * @param additions what else is in it
     * @return the root
     * @throws IOException if its directory cannot be made
     */
    public static GuestRoot withKexecfs(Path kernel, Addition... additions) throws IOException {
        List<String> arguments = new ArrayList<>(List.of("--tool", tool()));
        for (Addition addition : additions) {
            arguments.addAll(List.of("--add", addition.source() + ":" + addition.target()));
        }
        return make(kernel, arguments);
    }

    /**
     * A root without kexecfs, for what concerns the kernel or these tests alone.
     *
     * @param kernel the kernel that the guest goes to by kexec
     * @return the root
     * @throws IOException if its directory cannot be made
     */
    public static GuestRoot bare(Path kernel) throws IOException {
        return make(kernel, List.of());
    }

    /**
     * A root with the packaged kexecfs, in which systemd is the first process.
     *
     * @param kernel the kernel that the guest goes to by kexec
     * @return the root
     * @throws IOException if its directory cannot be made
     */
    public static GuestRoot withSystemd(Path kernel) throws IOException {
        String systemd = new GuestScript("fetch-systemd").run(List.of());
        return make(kernel, List.of("--tool", tool(), "--systemd", systemd));
    }

    private static String tool() {
        String built = GuestScript.module()
                .resolveSibling("mount-tool")
                .resolve("target/kexecfs")
                .toString();
        return System.getProperty("kexecfs.image", built);
    }

    private static GuestRoot make(Path kernel, List<String> more) throws IOException {
        Path target = Files.createDirectories(GuestScript.module().resolve("target"));
        Path image = Files.createTempDirectory(target, "guest").resolve("root.img");
        List<String> arguments = new ArrayList<>(List.of("--kernel", kernel.toString(), "--out", image.toString()));
        arguments.addAll(more);
        GuestRoot root = new GuestRoot(image);
        try {
            new GuestScript("make-root").run(arguments);
        } catch (RuntimeException e) {
            root.close();
            throw e;
        }
        return root;
    }

    @Override
    public void close() throws IOException {
        Files.deleteIfExists(image);
        Files.deleteIfExists(image.getParent());
    }
}
