package org.kexecfs.guest;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The kernels that guests boot. Each is built at its first use, in minutes, and then found in a cache. */
public final class GuestKernel {

    private GuestKernel() {}

    /**
     * A kernel with LUO.
     *
     * @param fragments configuration fragments that make it another than the usual one
     * @return its bzImage
     */
    public static Path build(Path... fragments) {
        List<String> arguments = new ArrayList<>();
        for (Path fragment : fragments) {
            arguments.addAll(List.of("--fragment", fragment.toString()));
        }
        return Path.of(new GuestScript("build-kernel").run(arguments));
    }
}
