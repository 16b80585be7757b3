package org.kexecfs.containers;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.testcontainers.containers.startupcheck.OneShotStartupCheckStrategy;

/** Containers come and go, and an update comes between: the files are the session's, not theirs. */
@WithEngine
class UpdateTest {
    @AutoClose
    private final Host host = new Host();

    @Test
    void theFilesOfAContainerThatIsGoneComeToOneOfAnotherImage() {
        Box before = host.start(new Box().session(host.mount("web")));
        before.sh("with-memfd hello rw ln kexecfs.fd/self/3 linked && mkdir dir && cp /bin/busybox dir/copied");
        String sum = before.sh("sha256sum <dir/copied");
        before.stop();

        assertEquals("hello", host.sh("cat web/linked"));
        host.sh("echo 1 >web/kexecfs.prepare");
        host.kexec();
        host.mount("web");

        assertEquals("updated\n", said("/cat", "kexecfs.state"));
        assertEquals("hello", said("/cat", "linked"));
        assertEquals(
                sum.replace("-", "/session/dir/copied"),
                said("/sha256sum", "dir/copied").strip());
        host.sh("echo strict >web/kexecfs.finish");
    }

    /** What a program of another image says of a file. */
    private String said(String program, String file) {
        try (Box other = new Box(Images.BARE).session(host.path("web"))) {
            other.withCommand(program, Box.SESSION + "/" + file)
                    .withStartupCheckStrategy(new OneShotStartupCheckStrategy())
                    .start();
            return other.getLogs();
        }
    }
}
