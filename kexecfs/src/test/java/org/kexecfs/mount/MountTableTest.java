package org.kexecfs.mount;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.NotBlank;
import net.jqwik.api.constraints.StringLength;
import org.junit.jupiter.api.Test;
import org.kexecfs.mount.MountTable.MountedSession;

class MountTableTest {
    @Test
    void findsOnlyWholeKexecfsMounts() {
        String mountinfo = """
                22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
                40 22 0:45 / /run/kexecfs/web rw,nosuid,nodev shared:7 master:2 - fuse.kexecfs web rw,user_id=0
                41 22 0:45 / /srv/web rw,nosuid,nodev - fuse.kexecfs web rw,user_id=0
                42 22 0:45 /ram0 /srv/ram0 rw - fuse.kexecfs web rw,user_id=0
                43 22 0:46 / /mnt rw - fuse.sshfs web rw
                """;

        assertEquals(
                List.of(
                        new MountedSession("web", Path.of("/run/kexecfs/web"), 40, 45),
                        new MountedSession("web", Path.of("/srv/web"), 41, 45)),
                parse(mountinfo));
    }

    @Test
    void unescapesWhatTheKernelEscapes() {
        assertEquals(
                List.of(new MountedSession("a b#c", Path.of("/mnt/tab\there\\now"), 7, 3L << 32 | 4)),
                parse("7 1 3:4 / /mnt/tab\\011here\\134now rw - fuse.kexecfs a\\040b\\043c rw\n"));
    }

    @Test
    void ignoresWhatIsNoMount() {
        assertTrue(parse("").isEmpty());
        assertTrue(parse("\n - \n7 1 3:4 / - fuse.kexecfs\n7 1 0:4 / /m rw - fuse.kexecfs\n")
                .isEmpty());
    }

    @Property
    void readsAnyNameThatTheKernelCanWrite(@ForAll @NotBlank @StringLength(max = 40) String name) {
        String session = name.replaceAll("[\0/\uD800-\uDFFF\uFFFE\uFFFF]", "x");
        assertEquals(
                session,
                parse("7 1 0:4 / /m rw - fuse.kexecfs " + escape(session) + " rw\n")
                        .getFirst()
                        .session());
    }

    /** What the kernel's mangle() does. */
    private static String escape(String name) {
        StringBuilder escaped = new StringBuilder();
        for (char c : name.toCharArray()) {
            escaped.append(" \t\n\\#".indexOf(c) < 0 ? String.valueOf(c) : String.format("\\%03o", (int) c));
        }
        return escaped.toString();
    }

    private static List<MountedSession> parse(String mountinfo) {
        return MountTable.parse(mountinfo.getBytes(StandardCharsets.UTF_8));
    }
}
