package org.kexecfs.fuse;

import java.util.List;
import java.util.function.Function;

/**
 * One step.
 *
 * @param name which operation
 * @param told with its arguments
 * @param paths what it is about: looked at after it
 */
record MountStep(
        String name,
        String told,
        List<String> paths,
        Function<MountWorld, String> real,
        Function<MountModel, String> model) {
    @Override
    public String toString() {
        return told;
    }
}
