package org.kexecfs.tool;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The C header that the image has, for programs that use the ioctls. */
class HeaderIT {
    @Test
    void aProgramIsCompiledWithIt(@TempDir Path work) throws Exception {
        Files.writeString(work.resolve("program.c"), """
                #include <kexecfs.h>
                #include <stdio.h>

                int main(void) {
                    struct kexecfs_ioc_get_info info = {.version = KEXECFS_INTERFACE_VERSION};
                    printf("%u %lx", info.version, (unsigned long)KEXECFS_IOC_PREPARE);
                }
                """);
        Image image = new Image(work);
        image.sh("bin=$(readlink -f \"$(command -v kexecfs)\") && "
                + "cc -std=c11 -Wall -Wextra -Werror -I \"${bin%/bin/*}/include\" -o program program.c");
        assertEquals("1 be01", image.sh("./program"));
    }
}
