package org.kexecfs.fuse;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.kexecfs.fuse.CProgram.DO_IOCTL;
import static org.kexecfs.fuse.CProgram.WITH_MEMFD;

import java.util.ArrayList;
import java.util.List;
import jnr.constants.platform.linux.Errno;
import jnr.ffi.Pointer;
import org.junit.jupiter.api.Test;
import org.kexecfs.posix.Fd;

/** The ioctls of src/main/c/kexecfs.h. */
class IoctlTest {
    private static Fd root(Mounted m) {
        return m.keep(Fd.open(m.directory().toString(), Fd.O_RDONLY, 0));
    }

    private static int ioctl(Fd on, Ioctl ioctl, Pointer data) {
        return on.ioctl(ioctl.number() & 0xffffffffL, data, ioctl.name());
    }

    private static Pointer preserve(int fd, String name) {
        Pointer data = Fd.allocate(Ioctl.PRESERVE.size());
        data.putInt(Ioctl.SIZE, Ioctl.PRESERVE.size());
        data.putInt(Ioctl.PRESERVE_FD, fd);
        data.put(Ioctl.PRESERVE_NAME, Fd.utf8(name), 0, name.length());
        return data;
    }

    private static Pointer finish(int size, int flags) {
        Pointer data = Fd.allocate(Ioctl.FINISH.size());
        data.putInt(Ioctl.SIZE, size);
        data.putInt(Ioctl.FINISH_FLAGS, flags);
        return data;
    }

    @Test
    void numbersSizesAndOffsetsAreTheHeaders() {
        List<String> ours = new ArrayList<>();
        for (Ioctl ioctl : Ioctl.values()) {
            ours.add(ioctl + " " + Integer.toUnsignedString(ioctl.number()) + " " + ioctl.size());
        }
        ours.addAll(List.of(
                "preserve.size " + Ioctl.SIZE + " 4",
                "preserve.fd " + Ioctl.PRESERVE_FD + " 4",
                "preserve.name " + Ioctl.PRESERVE_NAME + " " + Ioctl.LENGTH_OF_NAME,
                "finish.size " + Ioctl.SIZE + " 4",
                "finish.flags " + Ioctl.FINISH_FLAGS + " 4",
                "state.size " + Ioctl.SIZE + " 4",
                "state.state " + Ioctl.STATE_STATE + " 4",
                "info.size " + Ioctl.SIZE + " 4",
                "info.version " + Ioctl.INFO_VERSION + " 4",
                "info.cycle " + Ioctl.INFO_CYCLE + " 8",
                "info.entries " + Ioctl.INFO_ENTRIES + " 8",
                "info.bytes " + Ioctl.INFO_BYTES + " 8",
                "info.session " + Ioctl.INFO_SESSION + " 64",
                "strict " + Ioctl.FINISH_STRICT + " 0",
                "release " + Ioctl.FINISH_RELEASE + " 0",
                "version " + ControlFile.INTERFACE_VERSION + " 0"));
        assertEquals(
                String.join("\n", ours), Shell.run(List.of(DO_IOCTL, "layout")).succeeded());
    }

    @Test
    void factsAreToldOnTheRootAndOnEveryControlFile() {
        try (Mounted m = Mounted.with("mode=0755")) {
            m.write("f", "12345");
            for (String file : m.sh("ls -d . kexecfs.* | grep -v 'fd$\\|sock$'")
                    .succeeded()
                    .split("\n")) {
                assertEquals("1 0 1 5 vm", m.sh(DO_IOCTL + " info " + file).succeeded(), file);
                assertEquals("0", m.sh(DO_IOCTL + " state " + file).succeeded(), file);
            }
            assertEquals("1 0 1 5 vm", m.shAsNobody(DO_IOCTL + " info .").succeeded());
        }
    }

    @Test
    void theStateMachineIsDriven() {
        try (Mounted m = Mounted.with("")) {
            Fd root = root(m);
            m.write("f", "x");
            Fails.with(Errno.EINVAL, () -> ioctl(root, Ioctl.CANCEL, null));
            ioctl(root, Ioctl.PREPARE, null);
            assertEquals("1", m.sh(DO_IOCTL + " state .").succeeded());
            ioctl(root, Ioctl.CANCEL, null);
            assertEquals("normal", m.state());
            ioctl(root, Ioctl.PREPARE, null);
            root.close();
            m.kexec("");
            assertEquals("2", m.sh(DO_IOCTL + " state kexecfs.info").succeeded());
            Fd after = root(m);
            Fails.with(Errno.EBUSY, () -> ioctl(after, Ioctl.FINISH, finish(8, Ioctl.FINISH_STRICT)));
            ioctl(after, Ioctl.FINISH, finish(8, Ioctl.FINISH_RELEASE));
            assertEquals("normal", m.state());
            assertEquals("", m.sh("ls | grep -v kexecfs; :").succeeded());
        }
    }

    @Test
    void preservesTheCallersOpenFile() {
        try (Mounted m = Mounted.with("")) {
            ioctl(root(m), Ioctl.PRESERVE, preserve(m.memfd("memory").number(), "ram0"));
            assertEquals("memory", m.read("ram0"));
            m.sh(WITH_MEMFD + " other rw " + DO_IOCTL + " preserve kexecfs.state")
                    .succeeded();
            assertEquals("other", m.read("by-ioctl"));
        }
    }

    @Test
    void whatIsNotAsTheHeaderSaysIsRefused() {
        try (Mounted m = Mounted.with("")) {
            Fd root = root(m);
            int memfd = m.memfd("x").number();
            Fails.with(Errno.EINVAL, () -> ioctl(root, Ioctl.FINISH, finish(0, 0)));
            Fails.with(Errno.EINVAL, () -> ioctl(root, Ioctl.FINISH, finish(9, 0)));
            Fails.with(Errno.EINVAL, () -> ioctl(root, Ioctl.FINISH, finish(8, 4)));
            Fails.with(Errno.EINVAL, () -> ioctl(root, Ioctl.FINISH, finish(8, 3)));
            Fails.with(Errno.EINVAL, () -> ioctl(root, Ioctl.PRESERVE, preserve(memfd, "n".repeat(256))));
            Fails.with(Errno.EINVAL, () -> ioctl(root, Ioctl.PRESERVE, preserve(memfd, "")));
            Fails.with(Errno.EINVAL, () -> ioctl(root, Ioctl.PRESERVE, preserve(-1, "name")));
            Fails.with(Errno.ENOENT, () -> ioctl(root, Ioctl.PRESERVE, preserve(99999, "name")));
            Fails.with(Errno.EPERM, () -> ioctl(root, Ioctl.PRESERVE, preserve(memfd, "kexecfs.x")));
        }
    }

    @Test
    void otherFilesHaveNone() {
        try (Mounted m = Mounted.with("")) {
            m.sh("mkdir d; echo > f").succeeded();
            for (String file : List.of("d", "f", "kexecfs.fd")) {
                Fd open = m.open(file, Fd.O_RDONLY);
                Fails.with(Errno.ENOTTY, () -> ioctl(open, Ioctl.PREPARE, null));
                Fails.with(Errno.ENOTTY, () -> ioctl(open, Ioctl.GET_INFO, Fd.allocate(96)));
            }
        }
    }

    /** libfuse 2 answers with as much memory as the number asks for, whether or not anybody wrote to it. */
    @Test
    void anUnknownNumberGetsNoMemoryOfOurs() {
        try (Mounted m = Mounted.with("")) {
            Fd root = root(m);
            Fd file = m.open("kexecfs.state", Fd.O_RDONLY);
            int size = (1 << 14) - 1;
            Pointer data = Fd.allocate(size);
            for (int type : new int[] {0xBE, 'f', 'k'}) {
                for (long way : new long[] {2, 3}) {
                    long number = way << 30 | (long) size << 16 | type << 8 | 77;
                    data.setMemory(0, size, (byte) 0x5a);
                    Fails.with(Errno.ENOTTY, () -> root.ioctl(number, data, "unknown"));
                    Fails.with(Errno.ENOTTY, () -> file.ioctl(number, data, "unknown"));
                    for (int i = 0; i < size; i++) {
                        assertEquals(0x5a, data.getByte(i), "byte " + i);
                    }
                }
            }
        }
    }

    @Test
    void aFileThatCanOnlyBeReadGivesNoRight() {
        try (Mounted m = Mounted.with("mode=0755")) {
            for (String way : List.of("prepare", "cancel", "finish", "preserve")) {
                for (String file : List.of(".", "kexecfs.state", "kexecfs.info")) {
                    assertEquals("Permission denied", nobody(m, way, file), way + " on " + file);
                }
            }
        }
    }

    private static String nobody(Mounted m, String way, String file) {
        return m.shAsNobody(WITH_MEMFD + " x rw " + DO_IOCTL + " " + way + " " + file)
                .output()
                .strip();
    }

    @Test
    void theRightIsThatToTheControlFile() {
        try (Mounted m = Mounted.with("mode=0755,control_gid=4711,control_mode=0220")) {
            String member = "setpriv --reuid=65534 --regid=65534 --groups=4711 " + DO_IOCTL;
            String stranger = "setpriv --reuid=65534 --regid=65534 --groups=4712 " + DO_IOCTL;
            m.sh(stranger + " prepare .").failed("Permission denied");
            m.sh(stranger + " prepare kexecfs.prepare").failed("Permission denied");
            m.sh(member + " prepare .").succeeded();
            m.sh(member + " cancel kexecfs.cancel").succeeded();
            m.sh(member + " prepare kexecfs.cancel").succeeded();
            m.sh(member + " preserve .").failed("Permission denied");
        }
    }

    @Test
    void rootWithoutItsCapabilityIsAnyOwner() {
        try (Mounted m = Mounted.with("mode=0755,control_uid=65534")) {
            m.sh("setpriv --bounding-set=-dac_override " + DO_IOCTL + " prepare .")
                    .failed("Permission denied");
            m.sh(DO_IOCTL + " prepare .").succeeded();
        }
    }

    @Test
    void aReadOnlyMountChangesNothing() {
        try (Mounted m = Mounted.with("")) {
            String alone = "unshare --mount --propagation private sh -c 'mount -o remount,bind,ro " + m.directory()
                    + " && cd . && cd " + m.directory() + " && ";
            m.sh(alone + DO_IOCTL + " prepare .'").failed("Read-only file system");
            m.sh(alone + WITH_MEMFD + " x rw " + DO_IOCTL + " preserve kexecfs.state'")
                    .failed("Read-only file system");
            assertEquals("0", m.sh(alone + DO_IOCTL + " state .'").succeeded());
            assertEquals("normal", m.state());
        }
    }
}
