package org.kexecfs.guest;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** How QEMU runs the guest's instructions. */
public enum Accelerator {
    /** By the processor itself. */
    KVM,
    /** By translation: slower, and possible everywhere. */
    TCG;

    private static final Path KVM_DEVICE = Path.of("/dev/kvm");
    private static final Duration PROBE = Duration.ofSeconds(10);
    private static final Map<Path, Accelerator> BEST = new ConcurrentHashMap<>();

    /**
     * How {@code run-guest} and QEMU call it.
     *
     * @return tcg or kvm
     */
    public String word() {
        return name().toLowerCase(Locale.ROOT);
    }

    /**
     * The best one that works here. The KVM device may open and yet run no guest (nested virtualisation), so
     * a guest is run to find out, once for a kernel.
     *
     * @param kernel a kernel to probe with
     * @param root a root to probe with
     * @return KVM if a guest ran to its end with it, else TCG
     */
    public static Accelerator best(Path kernel, Path root) {
        return BEST.computeIfAbsent(kernel, _ -> probe(kernel, root));
    }

    /**
     * The best one that works here, for who has no root to probe with.
     *
     * @param kernel a kernel to probe with
     * @return KVM if a guest ran to its end with it, else TCG
     * @throws IOException if a root cannot be made
     */
    public static Accelerator best(Path kernel) throws IOException {
        if (BEST.containsKey(kernel)) {
            return BEST.get(kernel);
        }
        if (!Files.isWritable(KVM_DEVICE)) {
            return TCG;
        }
        try (GuestRoot root = GuestRoot.bare(kernel)) {
            return best(kernel, root.image());
        }
    }

    private static Accelerator probe(Path kernel, Path root) {
        if (!Files.isWritable(KVM_DEVICE)) {
            return TCG;
        }
        Guest guest = Guest.of(kernel, root).with(KVM).within(PROBE);
        return guest.run("probe").failure().isEmpty() ? KVM : TCG;
    }
}
